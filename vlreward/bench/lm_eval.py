"""Results in the file format of lm-evaluation-harness, for the tools that read it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vlreward.bench.evaluate import Evaluation
from vlreward.bench.output import versions
from vlreward.bench.run_files import samples_file
from vlreward.files import replacing

__all__ = ["write_lm_eval"]

_LOWER_IS_BETTER = ("mae",)


def write_lm_eval(evaluations: Sequence[Evaluation], directory: Path) -> list[Path]:
    """Write `results_<time>.json` and `samples_<task>_<time>.jsonl`.

    Metrics are named `<metric>,none` with a standard error beside the primary one: that of a
    binomial proportion, sqrt(p (1 - p) / n), as the interval method is not part of the format.

    Args:
        evaluations: Scored suites.
        directory: Where to write; made if need be.
    """
    directory.mkdir(parents=True, exist_ok=True)
    time = datetime.now(timezone.utc)
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S.%f")
    paths = []
    for evaluation in evaluations:
        stem = Path(samples_file(evaluation.name)).stem
        path = directory / f"{stem}_{stamp}.jsonl"
        with replacing(path) as file:
            for number, row in enumerate(_samples(evaluation)):
                file.write(json.dumps({"doc_id": number, **row}, ensure_ascii=True) + "\n")
        paths.append(path)
    path = directory / f"results_{stamp}.json"
    with replacing(path) as file:
        json.dump(_results(evaluations, time), file, ensure_ascii=False, indent=2)
    return [path, *paths]


def _results(evaluations: Sequence[Evaluation], time: datetime) -> dict[str, Any]:
    return {
        "results": {e.name: _metrics(e) for e in evaluations},
        "configs": {
            e.name: {
                "task": e.name,
                "doc_to_text": e.prompt.text,
                "num_fewshot": 0,
                "metadata": e.summary().model_dump(
                    include={"protocol", "method", "frame", "prompt", "prompt_hash"}
                ),
            }
            for e in evaluations
        },
        "versions": {e.name: e.spec.version for e in evaluations},
        "n-shot": {e.name: 0 for e in evaluations},
        "n-samples": {
            e.name: {"original": e.suite.n or e.report.n, "effective": e.report.n}
            for e in evaluations
        },
        "higher_is_better": {
            e.name: {name: name not in _LOWER_IS_BETTER for name in e.report.metrics}
            for e in evaluations
        },
        "config": {"model": evaluations[0].provenance.get("model"), "versions": versions()},
        "git_hash": None,
        "date": time.timestamp(),
        "task_hashes": {e.name: _hash([s.id for s in e.samples]) for e in evaluations},
    }


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    report = evaluation.report
    values: dict[str, Any] = {"alias": evaluation.name, "sample_len": report.n}
    for name, value in report.metrics.items():
        values[f"{name},none"] = value
    error = (report.acc * (1 - report.acc) / report.n) ** 0.5
    values[f"{report.primary}_stderr,none"] = error
    return values


def _samples(evaluation: Evaluation) -> list[dict[str, Any]]:
    rows = []
    for row, sample in zip(evaluation.sample_rows(), evaluation.samples):
        text = _prompt(evaluation, sample)
        target = json.dumps(row.gold, ensure_ascii=False)
        rows.append(
            {
                "doc": row.model_dump(include={"id", "question", "image", "gold"}),
                "target": target,
                "arguments": [[text, {}]],
                "resps": [[row.completion]],
                "filtered_resps": [row.answer],
                "doc_hash": _hash(row.id),
                "prompt_hash": _hash(text),
                "target_hash": _hash(target),
                **row.metrics,
            }
        )
    return rows


def _prompt(evaluation: Evaluation, sample: Any) -> str:
    try:
        return evaluation.prompt.text_for(sample)
    except ValueError:  # recorded completions may come without the question
        return evaluation.prompt.text


def _hash(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
