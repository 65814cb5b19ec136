"""The function for OpenRLHF through its own loader of rows and its executor of one turn."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vlreward.answer_frames import AnswerFrames
from vlreward.integrations import plugin_path
from vlreward.packing import pack_file

# Raised inside torch and its dependencies when they are imported.
pytestmark = [pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _openrlhf(needs: Callable[[str], str]) -> None:
    needs("openrlhf")


def test_the_command_of_the_guide_is_one_of_openrlhfs(root: Path) -> None:
    """The guide had a program and a set of keys that OpenRLHF does not have."""
    command = (root / "docs/trainers/openrlhf.sh").read_text(encoding="utf-8")
    (module,) = re.findall(r"python3 -m (\S+)", command)
    spec = importlib.util.find_spec(module)
    assert spec is not None
    tree = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8"))
    known = {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "parser.add_argument"
        if isinstance(call.args[0], ast.Constant)
    }
    used = set(re.findall(r"--[\w.]+", command))
    assert len(used) > 8
    assert used <= known


@pytest.fixture(scope="module")
def processor(needs: Callable[[str], str]) -> Any:
    needs("openrlhf")
    from importlib.resources import files

    from vlreward.engines.processor import load_processor

    return load_processor(str(files("vlreward.data") / "tiny_vlm" / "half"))


@pytest.fixture
def dataset(processor: Any, tmp_path: Path) -> Any:
    """OpenRLHF's data set of packed rows: with one image, with two, with none."""
    from openrlhf.datasets import PromptDataset
    from openrlhf.datasets.utils import blending_datasets
    from PIL import Image

    for name in ("a.png", "b.png"):
        Image.new("RGB", (112, 84)).save(tmp_path / name)
    images = [str(tmp_path / name) for name in ("a.png", "b.png")]
    rows = [
        {"problem": "<image>How many?", "images": images[:1], "answer": "4"},
        {"problem": "<image><image>How many in both?", "images": images, "answer": "7"},
        {"problem": "Two and two? <answer>9</answer>", "images": None, "answer": "4"},
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    packed = pack_file(source, tmp_path / "packed.jsonl", frames=AnswerFrames(), task="counting")
    assert packed.column == "answer"
    keys = SimpleNamespace(
        input_key="problem", label_key="answer", image_key="images", apply_chat_template=True
    )
    strategy = SimpleNamespace(
        args=SimpleNamespace(data=keys, use_ms=False), print=print, is_rank_0=lambda: True
    )
    return PromptDataset(blending_datasets(str(packed.path), None, strategy), processor, strategy)


def played(processor: Any, item: Any, answer: str, reason: str = "stop") -> dict[str, Any]:
    """What OpenRLHF makes of a row to which its engine gives this answer."""
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    class Engine:
        async def generate(self, *_: Any, **__: Any) -> Any:
            ids = processor.tokenizer(answer, add_special_tokens=False)["input_ids"]
            output = SimpleNamespace(token_ids=ids, finish_reason=reason, logprobs=None)
            return SimpleNamespace(outputs=[output])

    executor = SingleTurnAgentExecutor(str(plugin_path("openrlhf")))
    sampling = SimpleNamespace(max_tokens=64, logprobs=None)
    _, prompt, label, images = item
    play = executor.execute(prompt, label, sampling, 4096, processor, Engine(), images=images)
    result: dict[str, Any] = asyncio.run(play)
    return result


@pytest.mark.parametrize("row", [0, 1, 2])
def test_its_executor_scores_packed_rows(processor: Any, dataset: Any, row: int) -> None:
    count = (4, 7, 4)[row]
    right = f"<think>So.</think><answer>{count}</answer>"
    found = played(processor, dataset[row], right)
    assert found["reward"] == found["scores"] == 2.0
    assert found["extra_logs"]["acc"] == 1.0
    assert played(processor, dataset[row], right.replace(str(count), "5"))["reward"] == 1.0
    cut = played(processor, dataset[row], "<think>So", "length")
    assert (cut["reward"], cut["truncated"]) == (0.0, True)
    assert played(processor, dataset[row], "")["reward"] == 0.0


def test_a_row_without_a_gold_is_told(
    processor: Any, dataset: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source, prompt, _, images = dataset[0]
    with caplog.at_level(logging.ERROR):
        found = played(processor, (source, prompt, None, images), "<answer>4</answer>")
    assert found["reward"] is None
    assert "no reward: expected a gold, got None" in caplog.text
