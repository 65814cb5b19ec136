"""Pointing: one point, right where it lies in the gold's box, polygon or disc."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from vlreward._text import short
from vlreward.frames import AxisOrder, Frame, x_first
from vlreward.geometry import Box, Polygon, Size
from vlreward.golds import literal
from vlreward.judges import ambiguous_axes, declared_frame
from vlreward.metrics.points import Circle, Region, point_closeness, point_inside
from vlreward.parsers.points import Point, PointParser
from vlreward.prompts import PromptTemplate
from vlreward.task import FORMAT, AnswerTerm, Histogram, Recipe, Shape, TaskSpec
from vlreward.tasks.gold_boxes import box_under, corners_and_frame, only
from vlreward.tasks.pointing_published import published
from vlreward.tasks.pointing_schemas import POINTING_SCHEMAS
from vlreward.types import FailureCode, Gold, ParseFailure, Row, Sample

__all__ = ["POINTING", "PointGold", "PointJudge"]

_KEYS = ("box", "bbox", "bbox_2d", "polygon", "point", "point_2d")
_RADIUS = 14.0
"""Pixels around a point of ms-swift's objects, which have no radius: half of what one token of an
image covers."""


class PointGold(Gold):
    """A region that the point must hit: a box, a polygon, or a disc around a point."""

    task: Literal["pointing"] = "pointing"
    """Task that this gold belongs to."""
    box: Box | None = None
    """Corners (x1, y1, x2, y2), in `frame`."""
    polygon: tuple[tuple[float, float], ...] | None = None
    """Vertices (x, y) in order, in `frame`."""
    point: tuple[float, float] | None = None
    """Centre (x, y) of a disc, in `frame`."""
    radius: float | None = Field(default=None, gt=0)
    """Radius of the disc, in pixels of the original image whatever the frame."""
    frame: Frame = Frame.ORIGINAL_PX
    """Coordinate frame."""

    located: ClassVar[bool] = True

    @model_validator(mode="after")
    def _one_region(self) -> PointGold:
        given = [self.box is not None, self.polygon is not None, self.point is not None]
        if sum(given) != 1:
            raise ValueError(
                f"expected one of box, polygon and point, got {self.box!r}, {self.polygon!r} and "
                f"{self.point!r}"
            )
        if (self.point is None) != (self.radius is None):
            raise ValueError(
                "expected a point with the 'radius' in pixels that still counts as hitting it, "
                f"got point={self.point!r} and radius={self.radius!r}"
            )
        if self.polygon is not None:
            Polygon(self.polygon)
        return self

    @classmethod
    def read(cls, value: Any, task: str = "pointing") -> PointGold:
        """A region in pixels of the original image.

        Four numbers (x1, y1, x2, y2); a list of three or more vertices [x, y]; or an object with
        `box` (`bbox`, `bbox_2d`), `polygon`, or `point` (`point_2d`) and `radius`, beside which
        `frame` may name another frame; or ms-swift's `objects` with one box, or with one point
        of two numbers, which is a disc of 14 pixels unless `radius` stands beside it.

        Raises:
            ValueError: If it is none of these.
        """
        value = literal(value)
        if isinstance(value, dict) and isinstance(value.get("objects"), dict):
            value = _of_objects({**value, **value["objects"]})
        value, frame = corners_and_frame(value)
        if isinstance(value, dict):
            found = [key for key in _KEYS if value.get(key) is not None]
            if len(found) != 1:
                raise ValueError(
                    f"expected a gold with one of the keys {', '.join(_KEYS)}, got "
                    f"{short(value, 120)}"
                )
            only(value, *_KEYS, "radius")
            kind = found[0].removesuffix("_2d").replace("bbox", "box")
            radius = {"radius": value["radius"]} if "radius" in value else {}
            return cls(**{kind: box_under(found[0], value)}, **radius, **frame)
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"expected a box, a polygon or a point, got {short(value, 120)}")
        if all(isinstance(v, (list, tuple)) and len(v) == 2 for v in value) and len(value) > 2:
            return cls(polygon=value)
        if len(value) == 2:
            raise ValueError(
                f"expected a region, got the point {short(value, 120)}: give it as "
                '{"point": [x, y], "radius": pixels}'
            )
        return cls(box=value)

    def target(self, image_size: Size | None, input_size: Size | None) -> Region:
        """The region in pixels of the original image."""
        self.frame.check_sizes(image_size, input_size)
        x, y = _scale(self.frame, image_size, input_size)
        if self.box is not None:
            x1, y1, x2, y2 = self.box
            return Box(x1 * x, y1 * y, x2 * x, y2 * y)
        if self.polygon is not None:
            return Polygon(tuple((px * x, py * y) for px, py in self.polygon))
        assert self.point is not None
        assert self.radius is not None
        return Circle(self.point[0] * x, self.point[1] * y, self.radius)

    def remark(self, image_size: Size, tolerance: float) -> str | None:
        """Whether the region's middle lies outside its image.

        Raises:
            ValueError: If it does.
        """
        if self.frame is Frame.INPUT_PX:
            return None
        x, y = _middle(self.target(image_size, None))
        if not (0 <= x <= image_size.width and 0 <= y <= image_size.height):
            raise ValueError(
                f"expected a region in the image of {image_size.width} x {image_size.height} "
                f"pixels, got {self.text()} with its middle at ({x:g}, {y:g})"
            )
        return None

    def text(self) -> str:
        """The region, in the gold's frame."""
        if self.point is not None:
            return f"({self.point[0]:g}, {self.point[1]:g}) within {self.radius:g} px"
        if self.box is not None:
            return f"[{', '.join(f'{round(v, 2):g}' for v in self.box)}]"
        return " ".join(f"({x:g}, {y:g})" for x, y in self.polygon or ())

    def written(
        self,
        frame: Frame | None = None,
        image_size: Size | None = None,
        input_size: Size | None = None,
        *,
        axis_order: AxisOrder | None = None,
        whole_numbers: bool = False,
    ) -> str | None:
        """`[x, y]`, a point inside the region, in a frame."""
        if frame is None:
            return None
        px, py = _middle(self.target(image_size, input_size))
        x, y = _scale(frame, image_size, input_size)
        numbers = [py / y, px / x] if axis_order == "yx" else [px / x, py / y]
        return str([round(v) for v in numbers] if whole_numbers else numbers)


def _of_objects(value: dict[str, Any]) -> dict[str, Any]:
    """The only box or point of ms-swift's objects."""
    key = next((key for key in ("bbox", "bbox_2d") if key in value), None)
    listed = value.get(key) if key else None
    if isinstance(listed, (list, tuple)) and len(listed) == 1:
        listed = listed[0]
    if not isinstance(listed, (list, tuple)) or len(listed) not in (2, 4):
        raise ValueError(f"expected one box or point in 'objects', got {short(value, 120)}")
    rest = {k: v for k, v in value.items() if k not in (key, "objects")}
    if len(listed) == 4:
        return {**rest, str(key): listed}
    return {"radius": _RADIUS, **rest, "point": listed}


def _scale(frame: Frame, image_size: Size | None, input_size: Size | None) -> tuple[float, float]:
    """Original pixels for each unit of a frame, along x and y."""
    if frame is Frame.ORIGINAL_PX:
        return 1.0, 1.0
    frame.check_sizes(image_size, input_size)
    extent = frame.extent(image_size, input_size)
    assert extent is not None
    assert image_size is not None
    return image_size.width / extent[0], image_size.height / extent[1]


def _middle(region: Region) -> tuple[float, float]:
    if isinstance(region, Box):
        return region.center
    if isinstance(region, Circle):
        return region.x, region.y
    from shapely import Polygon as ShapelyPolygon

    point = ShapelyPolygon(region.points).representative_point()
    return float(point.x), float(point.y)


@dataclass(frozen=True, slots=True)
class PointJudge:
    """Puts a point into pixels of the original image."""

    def many(
        self, answers: Sequence[Point], samples: Sequence[Sample | Row]
    ) -> list[Point | ParseFailure]:
        """A point in original pixels, `out_of_frame` or `ambiguous_axes`, for each answer.

        Raises:
            ValueError: If a sample declares no frame, or lacks a size that its frame needs.
        """
        return [self._one(point, sample) for point, sample in zip(answers, samples)]

    def _one(self, point: Point, sample: Sample | Row) -> Point | ParseFailure:
        frame = declared_frame(sample)
        pair = x_first(point, sample.axis_order)
        if pair is None:
            return ambiguous_axes()
        px, py = pair
        right, bottom = frame.extent(sample.image_size, sample.input_size) or (float("inf"),) * 2
        if not (0 <= px <= right and 0 <= py <= bottom):
            return ParseFailure(
                FailureCode.OUT_OF_FRAME,
                f"expected a point within {frame.value} (0, 0, {right:g}, {bottom:g}), got "
                f"({px:g}, {py:g})",
            )
        x, y = _scale(frame, sample.image_size, sample.input_size)
        return Point(px * x, py * y)


def _shapes(value: Any) -> list[Shape]:
    if isinstance(value, Polygon):
        return [Shape("polygon", tuple(float(c) for point in value.points for c in point))]
    kinds: dict[int, Literal["point", "circle", "box"]] = {2: "point", 3: "circle", 4: "box"}
    return [Shape(kinds[len(value)], tuple(map(float, value)))]


def _controls(samples: Sequence[Sample]) -> dict[str, list[str]]:
    """The middle of the image."""
    sizes = [sample.image_size for sample in samples if sample.image_size is not None]
    return {"centre": [str([w / 2, h / 2]) for w, h in sizes]} if len(sizes) == len(samples) else {}


R1_PROMPT = PromptTemplate(
    name="pointing-r1",
    text='Point at the place that this describes: "{expression}". First output the thinking '
    "process in <think> </think> tags and then output the final answer in <answer> </answer> tags. "
    "The final answer is [x, y].",
    source="this project",
)
BASELINE_PROMPT = PromptTemplate(
    name="pointing-baseline",
    text='Point at the place that this describes: "{expression}". Output its coordinates as '
    "[x, y] and nothing else.",
    answer_in="whole",
    source="this project",
)

_STRICT = TaskSpec(
    name="pointing",
    version="1",
    gold=PointGold,
    prompt=R1_PROMPT,
    parser=PointParser(where="tag"),
    judge=PointJudge(),
    terms=(AnswerTerm("inside", point_inside), FORMAT),
    extra_terms=(AnswerTerm("closeness", point_closeness),),
    metrics=(AnswerTerm("acc", point_inside), AnswerTerm("closeness", point_closeness)),
    schemas=POINTING_SCHEMAS,
    controls=_controls,
    recipe=Recipe(max_completion_length=256, max_pixels=None),
    shapes=_shapes,
    figures=(Histogram("closeness", "closeness to the target"),),
)
_BASELINE = _STRICT.model_copy(
    update={"method": "baseline", "parser": PointParser(where="whole"), "prompt": BASELINE_PROMPT}
)
POINTING = _STRICT.model_copy(update={"variants": (_BASELINE, *published(_STRICT))})
"""Strict, with the click rule of VLM-R1's fork for ScreenSpot as variants."""
