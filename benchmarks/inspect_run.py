"""A run of inspect_ai against an endpoint, for `bench_overhead.py`: prints its CPU time and wall.

Runs in an environment of its own: inspect_ai and openai are no dependencies of this project.
"""

from __future__ import annotations

import json
import sys
import time

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentImage, ContentText
from inspect_ai.scorer import match
from inspect_ai.solver import generate


def task(rows: list[dict[str, str]]) -> Task:
    """One question about an image a row, scored by the number at the end."""
    return Task(
        dataset=MemoryDataset(
            [
                Sample(
                    input=[
                        ChatMessageUser(
                            content=[
                                ContentImage(image=row["image"]),
                                ContentText(text=row["question"]),
                            ]
                        )
                    ],
                    target="3",
                    id=row["id"],
                )
                for row in rows
            ]
        ),
        solver=generate(),
        scorer=match(location="any"),
    )


def main() -> None:
    """Warm up on a few rows, then measure all of them."""
    given = json.load(sys.stdin)
    options = {
        "model": f"openai-api/stub/{given['model']}",
        "model_base_url": given["url"],
        "model_args": {"api_key": "none"},
        "max_connections": given["concurrency"],
        "max_samples": given["concurrency"],
        "log_images": False,
        "log_dir": given["logs"],
        "display": "none",
        "max_tokens": 256,
    }
    eval(task(given["rows"][:8]), **options)
    cpu, wall = time.process_time(), time.perf_counter()
    (log,) = eval(task(given["rows"]), **options)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    score = log.results.scores[0].metrics["accuracy"].value
    print(json.dumps({"status": log.status, "accuracy": score, "cpu": cpu, "wall": wall}))


if __name__ == "__main__":
    main()
