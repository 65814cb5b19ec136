"""The ms-swift plug-in through ms-swift's own loader and reward computation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vlreward.integrations import plugin_path

# Raised inside ms-swift, torch and their dependencies when they are imported.
pytestmark = [pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _swift(needs: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    needs("ms-swift")
    import sys

    monkeypatch.setattr(sys, "path", list(sys.path))


def load(path: Path) -> None:
    from swift.utils import import_external_file

    import_external_file(str(path))


def samples(rows: list[dict[str, Any]], **extra: list[Any]) -> list[Any]:
    from swift.rl_core.data import GRPOSample

    return [
        GRPOSample(
            messages=[
                {"role": "user", "content": "?"},
                {"role": "assistant", "content": row["completion"]},
            ],
            extra={"solution": row["gold"], **{name: v[i] for name, v in extra.items()}},
        )
        for i, row in enumerate(rows)
    ]


def rewards(names: list[str], data: list[Any]) -> Any:
    import torch
    from swift.rewards import orms
    from swift.rl_core.grpo_algorithm import compute_rewards_per_func

    functions = [orms[name](args=SimpleNamespace()) for name in names]
    return compute_rewards_per_func(
        data, functions, [None] * len(functions), device=torch.device("cpu")
    )


def test_plugin_file_registers_and_scores_a_mixture(rows: list[dict[str, Any]]) -> None:
    load(plugin_path("swift"))
    found = rewards(["vlreward"], samples(rows))
    assert found[:, 0].tolist() == [row["score"] for row in rows]


def test_single_rewards_leave_other_tasks_out(rows: list[dict[str, Any]]) -> None:
    load(plugin_path("swift"))
    found = rewards(["vlreward_iou", "vlreward_count", "vlreward_math"], samples(rows))
    assert found.isnan().tolist() == [
        [False, True, True],
        [False, True, True],
        [True, False, True],
        [True, True, False],
        [True, True, False],
    ]
    assert found.nansum(dim=1).tolist() == [0.5, 0.5, 1.0, 1.0, 0.0]


def test_names_in_logs_differ() -> None:
    from swift.rewards import orms
    from swift.rlhf_trainers.utils import resolve_reward_funcs

    load(plugin_path("swift"))
    names = [name for name in orms if name.startswith("vlreward")]
    _, shown = resolve_reward_funcs(names, SimpleNamespace())
    assert shown == names
    assert len(names) > 5


def test_spawned_workers_still_find_swift(rows: list[dict[str, Any]]) -> None:
    """The plug-in's directory comes first on sys.path: no file there may be called swift."""
    import sys

    load(plugin_path("swift"))
    names = {path.stem for path in Path(sys.path[0]).glob("*.py")}
    assert names == {"vlreward_swift", "vlreward_easyr1", "vlreward_openrlhf"}


def test_own_configurations_in_an_own_plugin(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    plugin = tmp_path / "my_rewards.py"
    plugin.write_text(
        "from vlreward.integrations.swift import register\n"
        "register('iou_1000', 'rec', terms=['iou'], frame='norm1000')\n"
        "register('iou_px', 'rec', terms=['iou'], frame='original_px')\n"
    )
    load(plugin)
    bare = [{"completion": "<answer>[0, 0, 500, 1000]</answer>", "gold": [0, 0, 32, 24]}]
    found = rewards(["iou_1000"], samples(bare, image_size=[[64, 48]]))
    assert found.tolist() == [[0.5]]
    found = rewards(["iou_px"], samples(bare, image_size=[[64, 48]]))
    assert found.tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("swift_solution.jsonl", ["4", "7"]),
        ("swift_objects_norm1000.jsonl", None),
    ],
)
def test_its_preprocessor_keeps_packed_rows_and_its_rewards_score_them(
    name: str, answers: list[str] | None, tmp_path: Path
) -> None:
    """`vlreward pack` on ms-swift's own rows, through its loader to the reward."""
    import datasets
    from PIL import Image
    from swift.dataset.preprocessor import AutoPreprocessor

    from vlreward.answer_frames import AnswerFrames
    from vlreward.frames import FAMILIES
    from vlreward.golds import unpack
    from vlreward.packing import pack_file

    for image in ("a.png", "b.png"):
        Image.new("RGB", (640, 480)).save(tmp_path / image)
    packed = pack_file(
        Path(__file__).parents[2] / "cases" / "data" / "rows" / name,
        tmp_path / "packed.jsonl",
        frames=AnswerFrames(family=FAMILIES["qwen3-vl"]),
        image_root=tmp_path,
        task="counting" if answers else None,
    )
    assert packed.column == "solution"
    table = datasets.load_dataset("json", data_files=str(packed.path), split="train")
    read = AutoPreprocessor()(table, load_from_cache_file=False)
    assert len(read) == 2
    if answers is None:
        envelopes = [unpack(row["solution"], "?") for row in read]
        written = [e.gold.written(e.frame, e.image_size, e.input_size) for e in envelopes]
        answers = [str(text) for text in written]
    rows = [
        {"completion": f"<think>So.</think><answer>{answer}</answer>", "gold": row["solution"]}
        for answer, row in zip(answers, read, strict=True)
    ]
    load(plugin_path("swift"))
    assert rewards(["vlreward"], samples(rows))[:, 0].tolist() == pytest.approx([2.0, 2.0])
