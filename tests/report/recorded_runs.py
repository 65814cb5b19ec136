"""Run directories made from recorded completions of published models, for tests and pictures.

The answers are read from the recordings, not by this project's parsers: the report must not care
who wrote the files.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vlreward.bench.run_files import samples_file

__all__ = ["MODELS", "make_row", "recorded_run", "write_run"]

Row = dict[str, Any]
_BOX = re.compile(r"\[(\d+), (\d+), (\d+), (\d+)\]")

MODELS = {
    "refcoco_val": {
        "baseline": "qwen2_5vl_3b_instruct_baseline",
        "grpo": "qwen2_5vl_3b_instruct_r1_500",
    },
    "superclevr_200": {
        "baseline": "qwen2vl_2b_instruct_legacy",
        "grpo": "qwen2vl_2b_instruct_r1_100",
    },
    "geoqa": {"baseline": "qwen2vl_7b_instruct_legacy", "grpo": "not recorded"},
    "one_image": {"baseline": "made-up answers", "grpo": "made-up answers"},
    "ten_scenes": {"baseline": "made-up answers", "grpo": "made-up answers"},
}
"""Who wrote the completions: the recordings as their files are named, and where the answers are
made up for the images at hand."""


def _iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return width * height / (sum(areas) - width * height)


def make_row(task: str, name: str, gold: Any, completion: str, answer: Any, **more: Any) -> Row:
    """One sample row; `answer` None is a failure."""
    golds = {
        "rec": {"task": "rec", "box": gold, "frame": "original_px"},
        "counting": {"task": "counting", "count": gold},
        "geometry": {"task": "geometry", "expression": gold},
    }
    found = re.search(r"<answer>(.*?)</answer>", completion, re.DOTALL)
    codes = {"rec": "no_box", "counting": "bad_number", "geometry": "unparsable_answer"}
    failure = None
    if answer is None:
        failure = {
            "code": codes[task] if found else "no_answer",
            "detail": "expected a closed <answer>, found none" if not found else "nothing usable",
            "span": list(found.span(1)) if found else None,
        }
    if task == "rec":
        iou = _iou(gold, answer) if answer else 0.0
        metrics = {f"acc@{t}": float(iou >= t) for t in (0.5, 0.75, 0.9)} | {"iou": iou}
        value = iou
    else:
        right = more.pop("right", answer == gold)
        metrics = {"exact": float(right)}
        value = float(right)
    row = {
        "id": name, "task": task, "question": "", "expression": None, "image": None,
        "image_size": None, "input_size": None, "frame": "input_px" if task == "rec" else None,
        "gold": golds[task], "completion": completion, "truncated": False, "token_count": None,
        "answer": answer, "raw_answer": answer,
        "span": list(found.span(1)) if found and answer is not None else None,
        "failure": failure, "value": value,
        "terms": {"accuracy": value, "format": float(bool(found))}, "metrics": metrics,
    }  # fmt: skip
    return row | more


def recorded_run(shared_data: Path, flavour: str) -> dict[str, list[Row]]:
    """Rows by suite; `flavour` is `baseline` or `grpo`."""
    after = flavour == "grpo"
    return {
        "refcoco_val": _rec(shared_data, "r1_500" if after else "baseline"),
        "one_image": _carrots(shared_data, after),
        "superclevr_200": _counting(shared_data, "r1_100" if after else "legacy"),
        "ten_scenes": _scenes(shared_data, after),
    } | ({} if after else {"geoqa": _geometry(shared_data)})  # recorded once


def _results(path: Path) -> list[Row]:
    rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))["results"]
    return rows


def _rec(data: Path, kind: str) -> list[Row]:
    path = data / f"recorded/rec/rec_results_refcoco_val_qwen2_5vl_3b_instruct_{kind}.json"
    rows = []
    for number, item in enumerate(_results(path)):
        # Not `extracted_answer`, which the authors of the baseline rescaled.
        found = _BOX.search(item["model_output"])
        box = [int(part) for part in found.groups()] if found else None
        good = box and box[0] < box[2] and box[1] < box[3]
        expression = item["question"].partition(": ")[2]
        row = make_row(
            "rec", f"refcoco_val-{number:04d}", item["ground_truth"], item["model_output"],
            box if good else None, question=item["question"], expression=expression,
        )  # fmt: skip
        if row["span"] is None and found and good:
            row["span"] = list(found.span())
        rows.append(row)
    return rows


def _carrots(data: Path, after: bool) -> list[Row]:
    items = json.loads((data / "annotations/refcoco_val_one_image.json").read_text())
    boxes = [[150, 140, 608, 424], [20, 8, 330, 190], [158, 131, 596, 420]]
    if after:
        boxes[1] = [147, 143, 611, 428]
    rows = []
    for number, (item, box) in enumerate(zip(items, boxes)):
        text = (
            "<think> The bowl in front holds the carrots; the one behind it does not. </think>\n"
            f'<answer>{{"bbox_2d": {json.dumps(box)}, "label": "carrots"}}</answer>'
        )
        answer: list[int] | None = box
        if number == 2 and not after:
            text, answer = text.replace(json.dumps(box), "[158, 131, 596]"), None
        rows.append(
            make_row(
                "rec", f"carrots-{number}", item["solution"], text, answer,
                question=item["problem"], expression=item["normal_caption"],
                image=f"coco/{Path(item['image']).name}",
                image_size=[item["width"], item["height"]], input_size=[644, 420],
            )
        )  # fmt: skip
    return rows


def _counting(data: Path, kind: str) -> list[Row]:
    name = f"counting_results_superclevr_200_qwen2vl_2b_instruct_{kind}.json"
    return [
        make_row(
            "counting", f"superclevr-{number:03d}", item["ground_truth"], item["model_output"],
            item["extracted_answer"], question=item["question"]["question"],
        )
        for number, item in enumerate(_results(data / "recorded/counting" / name))
    ]  # fmt: skip


def _scenes(data: Path, after: bool) -> list[Row]:
    lines = (data / "annotations/superclevr_10_images.jsonl").read_text().splitlines()
    rows = []
    for number, line in enumerate(lines):
        item = json.loads(line)
        gold = item["ground_truth"]
        answer = gold if after or number % 3 else gold - 1
        rows.append(
            make_row(
                "counting", f"scene-{number}", gold,
                f"<think> Counting from left to right. </think><answer>{answer}</answer>", answer,
                question=item["question"], image=f"superclevr/{Path(item['image_path']).name}",
            )
        )  # fmt: skip
    return rows


def _geometry(data: Path) -> list[Row]:
    path = data / "recorded/geometry/geoqa_test_qwen2vl_7b_instruct_legacy.json"
    return [
        make_row(
            "geometry", f"geoqa-{number:03d}", item["ground_truth"], item["model_output"],
            item["extracted_answer"], question=item["question"]["question"],
            right=item["is_correct"],
        )
        for number, item in enumerate(_results(path))
    ]  # fmt: skip


def _wilson(share: float, n: int) -> list[float]:
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [middle - half, middle + half]


def _means(rows: list[Row], key: str) -> dict[str, float]:
    return {name: sum(row[key][name] for row in rows) / len(rows) for name in rows[0][key]}


def summarise(name: str, rows: list[Row], **more: Any) -> Row:
    """What `results.json` says of a suite."""
    task = rows[0]["task"]
    primary = "acc@0.5" if task == "rec" else "exact"
    codes = [row["failure"]["code"] for row in rows if row["failure"]]
    acc = sum(row["metrics"][primary] for row in rows) / len(rows)
    summary = {
        "task": task, "suite": name, "acc": acc, "acc_ci": _wilson(acc, len(rows)),
        "acc_ci_method": "wilson", "acc_ci_clustered": None, "n": len(rows),
        "parse_rate": 1 - len(codes) / len(rows),
        "failures": {code: codes.count(code) for code in sorted(set(codes))},
        "metrics": _means(rows, "metrics"), "primary": primary,
        "reward": sum(row["value"] for row in rows) / len(rows), "terms": _means(rows, "terms"),
        "protocol": "strict", "method": "r1", "prompt": f"{task}-r1", "prompt_hash": "3f1c9ab2",
        "frame": "original_px", "frame_declared_by": "option", "task_version": "1",
        "file": f"{name}.json", "file_sha256": "9d" * 32, "data_sha256": None,
        "model": None, "notes": [],
    }  # fmt: skip
    return summary | more


def write_run(
    directory: Path,
    suites: Mapping[str, Iterable[Row]],
    models: Mapping[str, str] | None = None,
    **more: Any,
) -> Path:
    """Write a run directory; `more` overrides facts of every suite."""
    directory.mkdir(parents=True, exist_ok=True)
    results = {}
    for name, given in suites.items():
        rows = list(given)
        results[name] = summarise(name, rows, **more)
        if models:
            results[name]["model"] = models[name]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (directory / samples_file(name)).write_text(text, encoding="utf-8")
    document = {
        "schema": "vlreward.results/1", "created": "2026-01-05T10:00:00Z",
        "versions": {"vlreward": "0.1.0", "python": "3.11.2"}, "results": results,
    }  # fmt: skip
    (directory / "results.json").write_text(json.dumps(document), encoding="utf-8")
    return directory
