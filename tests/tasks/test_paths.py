"""A task that is not built in gets frame, sizes, axis order and metadata on every path alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest

from vlreward.frames import Frame, convert
from vlreward.geometry import Box, Size
from vlreward.golds import pack
from vlreward.parsers.boxes import BoxParser
from vlreward.prompts import PromptTemplate
from vlreward.rewards import TaskReward
from vlreward.scoring import score
from vlreward.task import AnswerTerm, TaskSpec
from vlreward.types import Completion, Gold, Row, Sample


class SpotGold(Gold):
    """A point in a frame of its own."""

    task: str = "spot"
    xy: tuple[float, float]
    frame: Frame = Frame.ORIGINAL_PX

    located: ClassVar[bool] = True

    @classmethod
    def read(cls, value: Any, task: str) -> SpotGold:
        return cls(xy=tuple(value), frame=Frame.NORM1)

    def target(self, image_size: Size | None, input_size: Size | None) -> tuple[float, float]:
        self.frame.check_sizes(image_size, input_size)
        extent = self.frame.extent(image_size, input_size)
        assert extent is not None
        assert image_size is not None
        (x, y), (w, h) = self.xy, extent
        return x * image_size.width / w, y * image_size.height / h


@dataclass(frozen=True)
class SpotJudge:
    """Keeps what it was given, so that a test can look at it."""

    def many(
        self, answers: Sequence[Box], samples: Sequence[Sample | Row]
    ) -> list[tuple[Any, ...]]:
        judged = []
        for box, sample in zip(answers, samples):
            assert sample.frame is not None
            sizes = {"image_size": sample.image_size, "input_size": sample.input_size}
            there = convert(box, sample.frame, Frame.ORIGINAL_PX, **sizes)
            judged.append(
                (there.center, sample.axis_order, dict(sample.metadata), sample.input_size)
            )
        return judged


def _near(judged: tuple[Any, ...], gold: tuple[float, float]) -> float:
    return float(abs(judged[0][0] - gold[0]) + abs(judged[0][1] - gold[1]) < 1)


SPOT = TaskSpec(
    name="spot",
    version="1",
    gold=SpotGold,
    prompt=PromptTemplate(name="spot", text="Where is {expression}?"),
    parser=BoxParser(where="tag"),
    judge=SpotJudge(),
    terms=(AnswerTerm("near", _near),),
    metrics=(AnswerTerm("acc", _near),),
)
TEXT = "<answer>[450, 200, 550, 300]</answer>"  # 0-1000: the middle is (0.5, 0.25)
SIZE, SEEN = Size(640, 480), Size(644, 476)
SAMPLE = Sample(
    id="1",
    gold=SpotGold(xy=(0.5, 0.25), frame=Frame.NORM1),
    image_size=SIZE,
    input_size=SEEN,
    frame=Frame.NORM1000,
    axis_order="xy",
    metadata={"source": "a"},
)
COLUMNS: dict[str, list[Any]] = {
    "image_size": [SIZE],
    "input_size": [SEEN],
    "frame": ["norm1000"],
    "axis_order": ["xy"],
    "metadata": [{"source": "a"}],
}


def test_the_judge_sees_the_same_on_every_path() -> None:
    (by_sample,) = [score(SPOT, Completion(TEXT), SAMPLE)]
    reward = TaskReward(SPOT)
    (by_envelope,) = reward.scores([TEXT], solution=[pack(SAMPLE)])
    (by_columns,) = reward.scores([TEXT], solution=[(0.5, 0.25)], **COLUMNS)
    for found in (by_sample, by_envelope, by_columns):
        assert found is not None
        assert found.value == 1.0
        assert found.judged == ((320, 120), "xy", {"source": "a"}, SEEN)


def test_settings_of_the_reward_stand_in_for_columns() -> None:
    reward = TaskReward(SPOT, family="qwen2.5-vl", axis_order="yx")
    (found,) = reward.scores([TEXT], solution=[(0.5, 0.25)], image_size=[SIZE])
    assert found is not None
    assert found.judged[1:] == ("yx", {}, Size(644, 476))
    columns: dict[str, Any] = {"image_size": [SIZE], "frame": ["norm1000"]}
    assert TaskReward(SPOT)([TEXT], solution=[(0.5, 0.25)], **columns) == [1.0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image_size": [SIZE]}, "the frame of predicted coordinates is not declared.*'frame'"),
        ({"frame": ["norm1000"]}, "add a column 'image_size'"),
        ({"frame": ["input_px"], "image_size": [SIZE]}, "add a column 'input_size'"),
    ],
)
def test_what_is_missing_names_the_column(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"row 0 of the batch: .*{message}"):
        TaskReward(SPOT)([TEXT], solution=[(0.5, 0.25)], **columns)


class MaybeGold(Gold):
    """A text, or nothing."""

    task: Literal["maybe"] = "maybe"
    word: str | None

    @classmethod
    def read(cls, value: Any, task: str) -> MaybeGold:
        return cls(word=value)

    def target(self, image_size: Size | None, input_size: Size | None) -> str | None:
        return self.word


def test_nothing_is_a_gold_and_not_another_task() -> None:
    spec = SPOT.model_copy(
        update={
            "name": "maybe",
            "gold": MaybeGold,
            "parser": BoxParser(where="whole"),
            "judge": SpotJudge(),
            "terms": (AnswerTerm("any", lambda _judged, gold: float(gold is None)),),
        }
    )
    texts, golds = ["[1, 2, 3, 4]"] * 3, [None, "cup", None]
    columns: dict[str, Any] = {"frame": ["original_px"] * 3}
    tasks = ["maybe", "maybe", "spot"]
    assert TaskReward(spec)(texts, solution=golds, task=tasks, **columns) == [1.0, 0.0, None]
    envelope = pack(Sample(id="1", gold=MaybeGold(word=None), frame=Frame.ORIGINAL_PX))
    assert TaskReward(spec)(texts[:1], solution=[envelope]) == [1.0]
