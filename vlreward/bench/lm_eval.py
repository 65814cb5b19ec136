"""Results in the file format of lm-evaluation-harness, for the tools that read it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vlreward._text import without_surrogates
from vlreward.bench.attempts import grouped
from vlreward.bench.evaluate import Evaluation
from vlreward.bench.output import versions
from vlreward.bench.run_files import plain_name
from vlreward.files import replacing

__all__ = ["write_lm_eval"]

_LOWER_IS_BETTER = ("mae",)


def write_lm_eval(evaluations: Sequence[Evaluation], directory: Path) -> list[Path]:
    """Write `results_<time>.json` and `samples_<task>_<time>.jsonl`, as its 0.4.13 does.

    Metrics are named `<metric>,none` with a standard error beside the primary one: that of a
    binomial proportion, sqrt(p (1 - p) / n), as the interval method is not part of the format.
    A question with several answers is one sample whose metrics are the means over them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    time = datetime.now(timezone.utc)
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S.%f")
    paths = []
    for evaluation in evaluations:
        path = directory / f"samples_{plain_name(evaluation.name)}_{stamp}.jsonl"
        with replacing(path) as file:
            for number, row in enumerate(_samples(evaluation)):
                line = json.dumps({"doc_id": number, **row}, ensure_ascii=False)
                # Halves of surrogate pairs, which models do write, stop its readers.
                file.write(without_surrogates(line) + "\n")
        paths.append(path)
    path = directory / f"results_{stamp}.json"
    with replacing(path) as file:
        json.dump(_results(evaluations, time), file, ensure_ascii=False, indent=2)
    return [path, *paths]


def _results(evaluations: Sequence[Evaluation], time: datetime) -> dict[str, Any]:
    model = str(evaluations[0].provenance.get("model") or "recorded")
    return {
        "results": {e.name: _metrics(e) for e in evaluations},
        "group_subtasks": {e.name: [] for e in evaluations},
        "configs": {e.name: _config(e) for e in evaluations},
        "versions": {e.name: e.spec.version for e in evaluations},
        "n-shot": {e.name: 0 for e in evaluations},
        "n-samples": {
            e.name: {"original": e.suite.n or _questions(e), "effective": _questions(e)}
            for e in evaluations
        },
        "higher_is_better": {
            e.name: {name: name not in _LOWER_IS_BETTER for name in e.report.metrics}
            for e in evaluations
        },
        "config": {
            "model": "vlreward", "model_args": f"model={model}", "batch_size": None,
            "device": None, "use_cache": None, "limit": None, "gen_kwargs": None,
            "versions": versions(),
        },
        "git_hash": None,
        "date": time.timestamp(),
        "model_source": "vlreward",
        "model_name": model,
        "model_name_sanitized": re.sub(r"[\"<>:/|\\?*\[\]]+", "__", model),
        "task_hashes": {e.name: _hash([s.id for s in e.samples]) for e in evaluations},
    }  # fmt: skip


def _config(evaluation: Evaluation) -> dict[str, Any]:
    about = evaluation.summary().model_dump(
        include={"protocol", "method", "frame", "prompt", "prompt_hash"}
    )
    report = evaluation.report
    everywhere = [m for m, n in report.metrics_n.items() if n == report.n]
    return {
        "task": evaluation.name,
        "doc_to_text": evaluation.prompts.usual.text,
        "num_fewshot": 0,
        "output_type": "generate_until",
        "repeats": 1 if evaluation.several is None else evaluation.several.most,
        # Readers look each of them up in every sample.
        "metric_list": [
            {
                "metric": name,
                "aggregation": "mean",
                "higher_is_better": name not in _LOWER_IS_BETTER,
            }
            for name in everywhere
        ],
        "metadata": {"version": evaluation.spec.version, **about},
    }


def _questions(evaluation: Evaluation) -> int:
    several = evaluation.several
    return evaluation.report.n if several is None else several.questions


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    report, several = evaluation.report, evaluation.several
    name = evaluation.name
    values: dict[str, Any] = {"name": name, "alias": name, "sample_len": _questions(evaluation)}
    for name, value in report.metrics.items():
        values[f"{name},none"] = value
    if several is not None:
        values |= {f"pass@{k},none": share for k, share in several.pass_at.items()}
        values |= {f"maj@{k},none": share for k, share in several.majority_at.items()}
    error = (report.acc * (1 - report.acc) / report.n) ** 0.5
    values[f"{report.primary}_stderr,none"] = error
    return values


def _samples(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    pairs = zip(evaluation.sample_rows(), evaluation.samples)
    for key, answers in grouped(pairs, lambda pair: pair[1].id).items():
        rows = [row for row, _ in answers]
        text = evaluation.asked(answers[0][1])
        target = json.dumps(rows[0].gold, ensure_ascii=False)
        common = [name for name in rows[0].metrics if all(name in row.metrics for row in rows)]
        yield {
            "doc": rows[0].model_dump(include={"id", "question", "image", "images", "gold"}),
            "target": target,
            "arguments": {"gen_args_0": {"arg_0": text, "arg_1": {}}},
            "resps": [[row.completion for row in rows]],
            "filtered_resps": [row.answer_text or "" for row in rows],
            "filter": "none",
            "metrics": common,
            "doc_hash": _hash(key),
            "prompt_hash": _hash(text),
            "target_hash": _hash(target),
            **{name: sum(row.metrics[name] for row in rows) / len(rows) for name in common},
        }


def _hash(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
