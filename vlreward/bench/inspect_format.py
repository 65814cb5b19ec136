"""Results as logs of inspect_ai, for `inspect view` and for what reads its logs."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

from vlreward._text import without_surrogates
from vlreward.bench.evaluate import Evaluation
from vlreward.bench.output import versions
from vlreward.bench.run_files import SampleRow, plain_name
from vlreward.files import replacing

__all__ = ["write_inspect"]

_VERSION = 2  # of the format, in inspect_ai from 0.3.30 on


def write_inspect(evaluations: Sequence[Evaluation], directory: Path) -> list[Path]:
    """Write `<time>_<suite>_<id>.eval` for each suite; inspect_ai need not be installed.

    Each metric is a score, each of several answers to a question an epoch. Images are named, not
    kept in the log.
    """
    directory.mkdir(parents=True, exist_ok=True)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    paths = []
    for evaluation in evaluations:
        name = plain_name(evaluation.name)
        key = sha256(f"{now} {evaluation.name}".encode()).hexdigest()[:22]
        path = directory / f"{now.replace(':', '-')}_{name.replace('_', '-')}_{key}.eval"
        with replacing(path, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as log:
            _write(log, evaluation, now, key)
        paths.append(path)
    return paths


def _write(log: zipfile.ZipFile, evaluation: Evaluation, now: str, key: str) -> None:
    start = {
        "version": _VERSION, "eval": _spec(evaluation, now, key),
        "plan": {"name": "plan", "steps": [{"solver": "generate", "params": {}}], "config": {}},
    }  # fmt: skip
    _put(log, "_journal/start.json", start)
    model, summaries = start["eval"]["model"], []  # type: ignore[index]
    for row, sample in zip(evaluation.sample_rows(), evaluation.samples):
        found = _sample(row, evaluation.asked(sample), sample.gold.text(), model)
        _put(log, f"samples/{without_surrogates(row.id)}_epoch_{found['epoch']}.json", found)
        kept = ("id", "epoch", "input", "target", "metadata", "scores")
        summaries.append({**{name: found[name] for name in kept}, "completed": True})
    _put(log, "summaries.json", summaries)
    stats = {"started_at": now, "completed_at": now, "model_usage": {}}
    results = {**start, "status": "success", "results": _results(evaluation), "stats": stats}
    _put(log, "header.json", results)


def _spec(evaluation: Evaluation, now: str, key: str) -> dict[str, Any]:
    about = evaluation.summary().model_dump(
        include={"protocol", "method", "frame", "prompt", "prompt_hash", "data_sha256", "notes"}
    )
    ids = list(dict.fromkeys(sample.id for sample in evaluation.samples))
    several = evaluation.several
    packages = {name: version for name, version in versions().items() if name != "python"}
    return {
        "eval_id": key, "run_id": key, "created": now, "task": evaluation.name,
        "task_id": evaluation.name, "task_version": evaluation.spec.version, "task_args": {},
        "dataset": {"name": evaluation.suite.name, "samples": len(ids), "sample_ids": ids},
        "model": str(evaluation.provenance.get("model") or "recorded"),
        "config": {"epochs": 1 if several is None else several.most},
        "packages": packages, "metadata": about,
        "scorers": [{"name": name} for name in evaluation.report.metrics],
    }  # fmt: skip


def _results(evaluation: Evaluation) -> dict[str, Any]:
    report, several = evaluation.report, evaluation.several
    scores = []
    for name, mean in report.metrics.items():
        metrics = {"mean": mean}
        if name == report.primary:
            metrics["stderr"] = (report.acc * (1 - report.acc) / report.n) ** 0.5
            for what, shares in (
                ("pass_at", several.pass_at if several else {}),
                ("majority_at", several.majority_at if several else {}),
            ):
                metrics |= {f"{what}_{k}": share for k, share in shares.items()}
        scores.append({
            "name": name, "scorer": name, "params": {}, "scored_samples": report.metrics_n[name],
            "metrics": {key: {"name": key, "value": value} for key, value in metrics.items()},
        })  # fmt: skip
    return {"total_samples": report.n, "completed_samples": report.n, "scores": scores}


def _sample(row: SampleRow, prompt: str, target: str, model: str) -> dict[str, Any]:
    answer = row.answer_text
    why = None if row.failure is None else f"{row.failure.code}: {row.failure.detail}"
    said = {"role": "assistant", "content": row.completion, "source": "generate"}
    stop = "max_tokens" if row.truncated else "stop"
    usage = {"input_tokens": 0, "output_tokens": row.token_count, "total_tokens": row.token_count}
    return {
        "id": row.id,
        "epoch": 1 + (row.attempt or 0),
        "input": prompt,
        "target": target,
        "messages": [{"role": "user", "content": prompt, "source": "input"}, said],
        "output": {
            "model": model,
            "choices": [{"message": said, "stop_reason": stop}],
            "usage": None if row.token_count is None else usage,
        },
        "scores": {
            name: {"value": value, "answer": answer, "explanation": why}
            for name, value in row.metrics.items()
        },
        "metadata": {
            **row.metadata, "image": row.image, "images": row.images, "image_size": row.image_size,
            "gold": row.gold, "reward": row.value, "terms": row.terms,
        },
    }  # fmt: skip


def _put(log: zipfile.ZipFile, name: str, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    log.writestr(name, without_surrogates(text))
