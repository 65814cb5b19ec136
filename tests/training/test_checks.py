"""Rows are looked at before the first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.pictures import counting_rows
from vlreward.answer_frames import AnswerFrames
from vlreward.data import DataError, Dataset
from vlreward.frames import Frame
from vlreward.prompts import PRESETS, PromptTemplate
from vlreward.resizing import Resizing
from vlreward.training.checks import check_lengths
from vlreward.training.columns import Rows

RESIZING = Resizing(28, 56 * 56, 401_408)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for n in range(2):
        Image.new("RGB", (80, 60)).save(tmp_path / f"good{n}.jpg")
    (tmp_path / "text.png").write_text("no image", encoding="utf-8")
    return tmp_path


def _rows(dataset: Dataset, prompt: PromptTemplate = PRESETS["r1-v"]) -> Rows:
    return Rows(dataset, RESIZING, {"counting": prompt}, AnswerFrames(Frame.INPUT_PX))


def test_good_rows_are_checked_without_opening_an_image(images: Path) -> None:
    data = counting_rows(images, ["good0.jpg", "text.png"])
    assert len(_rows(data)) == 2


def test_rows_whose_prompt_cannot_be_rendered_are_listed(images: Path) -> None:
    data = counting_rows(images, ["good0.jpg", "good1.jpg"])
    asking = PromptTemplate(name="asking", text="Where is {expression}?")
    with pytest.raises(DataError) as caught:
        _rows(data, asking)
    assert str(caught.value).startswith(f"{images / 'x.jsonl'}: expected rows to train on, got 2")
    assert "row 2: prompt 'asking' needs the field 'expression'" in str(caught.value)


def test_rows_without_an_image_are_an_error(images: Path) -> None:
    data = counting_rows(images, ["good0.jpg"])
    bare = [data[0].model_copy(update={"image": None})]
    data.row_numbers = [7]

    class Bare:
        provenance, row_numbers = data.provenance, data.row_numbers

        def __iter__(self) -> Any:
            return iter(bare)

    with pytest.raises(DataError, match="row 7: expected an image"):
        _rows(Bare())  # type: ignore[arg-type]


def test_prompts_that_a_model_cannot_read_are_listed(images: Path) -> None:
    """One of them hung the run, or had its answers cut off, when its row was taken."""
    data = counting_rows(images, ["good0.jpg", "good1.jpg"])
    counted: list[int] = []

    def words(messages: list[Any]) -> int:
        counted.append(1)
        return len(str(messages[-1]["content"][-1]["text"]).split()) + 1

    rows = _rows(data, PromptTemplate(name="long", text="{question} " + "word " * 100))
    check_lengths(rows, words, completion=30, limit=5_000)
    assert len(counted) == 1, "what is short enough whatever its tokens are is not counted"
    seen = 3 * 2  # of 84 x 56 pixels
    check_lengths(rows, words, completion=30, limit=102 + seen + 30)
    with pytest.raises(DataError, match=r"at most 137 tokens together, got 2 longer ones") as error:
        check_lengths(rows, words, completion=30, limit=102 + seen + 29)
    assert "row 2: 102 tokens of the prompt, 6 of its image, 30 of the answer" in str(error.value)
