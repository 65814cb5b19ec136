"""Rows behind a `datasets.Dataset`: lazy, small, and shared within a batch."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlreward.answer_frames import AnswerFrames
from vlreward.data import load
from vlreward.frames import Frame
from vlreward.prompts import PRESETS
from vlreward.resizing import Resizing
from vlreward.training.columns import COLUMNS, Rows
from vlreward_trl.data import as_table


def _rows(dataset: Any) -> Rows:
    resizing = Resizing(28, 56 * 56, 401_408)
    return Rows(dataset, resizing, {"counting": PRESETS["r1-v"]}, AnswerFrames(Frame.INPUT_PX))


def _file(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_equal_rows_of_a_batch_share_one_image(tmp_path: Path) -> None:
    for n in "ab":
        Image.new("RGB", (60, 60)).save(tmp_path / f"{n}.png")
    rows = [{"image_path": f"{n}.png", "question": "?", "ground_truth": 1} for n in "ab"]
    data = load(_file(tmp_path / "x.json", rows), image_root=tmp_path)
    made = as_table(_rows(data))
    assert tuple(made[0]) == COLUMNS
    batch = made.__getitems__([0, 0, 1, 0])
    assert batch[0]["image"] is batch[1]["image"] is batch[3]["image"]
    assert batch[2]["image"] is not batch[0]["image"]
    # For the workers of a data loader where processes are not forked.
    assert pickle.loads(pickle.dumps(made))[1]["id"] == "x/2"


def test_a_hundred_thousand_rows_cost_their_text_alone(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """No image is opened before its row is taken: 100,000 names share one real file."""
    Image.new("RGB", (640, 480)).save(tmp_path / "a.jpg")
    count = 100_000
    with (tmp_path / "x.jsonl").open("w", encoding="utf-8") as file:
        for n in range(count):
            row = {"image_path": "a.jpg", "question": f"How many cups {n}?", "ground_truth": n % 9}
            file.write(json.dumps(row) + "\n")
    opened = []
    original = Image.open

    def noted(*arguments: Any, **options: Any) -> Any:
        opened.append(arguments)
        return original(*arguments, **options)

    started = time.perf_counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "open", noted)
        data = load(tmp_path / "x.jsonl", image_root=tmp_path)
        rows = as_table(_rows(data))
        assert not opened
        seconds = time.perf_counter() - started
        assert rows[count - 1]["id"] == f"x/{count}"
        assert len(opened) == 1
    record_property("seconds_for_100000_rows", round(seconds, 2))
    assert rows.data.nbytes / count <= 8  # bytes


def test_workers_do_not_outlive_a_killed_run(root: Path) -> None:
    """They waited for ever with a batch that was larger than a pipe, and so did `run | tee log`,
    whose output they kept open."""
    code = (
        "import os, signal, time\n"
        "from torch.utils.data import DataLoader\n"
        "from vlreward_trl.data import ending_with_parent\n"
        "rows = [bytes(1 << 20)] * 64\n"
        "begin = ending_with_parent(None)\n"
        "loader = DataLoader(rows, collate_fn=list, num_workers=2, worker_init_fn=begin)\n"
        "batches = iter(loader)\n"
        "next(batches)\n"
        "time.sleep(1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # Ends when nobody has its output open any more.
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'backends/trl'}"},
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")
