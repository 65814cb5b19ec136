"""Temporal grounding: when in a video does it happen? Scored by the IoU of two intervals."""

import re
from typing import Literal

from vlreward.golds import literal
from vlreward.judges import PlainJudge
from vlreward.parsers import answer_region
from vlreward.prompts import PromptTemplate
from vlreward.schema import Fields, Schema, text_at
from vlreward.suite import Suite
from vlreward.task import FORMAT, AnswerTerm, Histogram, TaskSpec
from vlreward.types import FailureCode, Gold, Parsed, ParseFailure

_SPAN = re.compile(r"\[?(\d{1,6}(?:\.\d{1,3})?)s?(?:, ?| to |-)(\d{1,6}(?:\.\d{1,3})?)s?\]?\Z")


class IntervalGold(Gold):
    task: Literal["temporal"] = "temporal"
    seconds: tuple[float, float]

    @classmethod
    def read(cls, value, task="temporal"):
        return cls(seconds=literal(value))

    def target(self, image_size, input_size):
        return self.seconds


def parse_interval(text):
    region = answer_region(text[:100_000])
    if isinstance(region, ParseFailure):
        return region
    match = _SPAN.match(region.value)
    if match is None or float(match[1]) >= float(match[2]):
        return ParseFailure(FailureCode.BAD_NUMBER, "expected [start, end]", region.span)
    return Parsed((float(match[1]), float(match[2])), region.span)


def tiou(a, b):
    inter = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return inter / (a[1] - a[0] + b[1] - b[0] - inter)


def recall(a, b):
    return float(tiou(a, b) >= 0.5)


def read_row(row):
    return Fields([row["start"], row["end"]], text_at(row, "query"), image=row.get("frames"))


PROMPT = PromptTemplate(name="temporal", text="{question} Answer [start, end] in <answer>.")
TEMPORAL = TaskSpec(name="temporal", version="1", gold=IntervalGold, prompt=PROMPT,
                    parser=parse_interval, judge=PlainJudge(), figures=(Histogram("tiou", "tIoU"),),
                    terms=(AnswerTerm("tiou", tiou), FORMAT),
                    metrics=(AnswerTerm("R1@0.5", recall), AnswerTerm("tiou", tiou)),
                    schemas=(Schema("temporal", ("query", "start", "end"), read_row),))  # fmt: skip
MOMENTS = Suite(name="moments", task="temporal", description="Moments in videos",
                file="moments.jsonl", n=None, prompts={"r1": "temporal"})  # fmt: skip
