from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vlreward.frames import (
    Frame,
    MissingSizeError,
    convert,
    smart_resize,
    to_original,
)
from vlreward.geometry import LEAST_SIDE, MOST, Box, Size

_seeded = settings(deadline=None, derandomize=True, max_examples=50)
IMAGE, INPUT = Size(640, 428), Size(644, 420)
SIZES = {"image_size": IMAGE, "input_size": INPUT}

sizes = st.builds(Size, st.integers(1, 8000), st.integers(1, 8000)).filter(
    lambda size: max(size) <= 200 * min(size)
)
_edges = st.lists(st.integers(0, 10**6), min_size=2, max_size=2, unique=True).map(sorted)
unit_boxes = st.builds(
    lambda x, y: Box(x[0] / 1e6, y[0] / 1e6, x[1] / 1e6, y[1] / 1e6), _edges, _edges
)

# --- conversion ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "box"),
    [
        (Frame.ORIGINAL_PX, Box(160, 107, 320, 214)),
        (Frame.INPUT_PX, Box(161, 105, 322, 210)),
        (Frame.NORM1000, Box(250, 250, 500, 500)),
        (Frame.NORM999, Box(249.75, 249.75, 499.5, 499.5)),
        (Frame.NORM1, Box(0.25, 0.25, 0.5, 0.5)),
    ],
)
def test_one_box_in_every_frame(frame: Frame, box: Box) -> None:
    assert tuple(to_original(box, frame, **SIZES)) == pytest.approx((160, 107, 320, 214))
    back = convert(Box(160, 107, 320, 214), Frame.ORIGINAL_PX, frame, **SIZES)
    assert tuple(back) == pytest.approx(tuple(box))


@pytest.mark.parametrize("source", Frame)
@pytest.mark.parametrize("target", Frame)
@settings(deadline=None, derandomize=True, max_examples=15)
@given(box=unit_boxes, image=sizes, resized=sizes)
def test_there_and_back_again(
    source: Frame, target: Frame, box: Box, image: Size, resized: Size
) -> None:
    known = {"image_size": image, "input_size": resized}
    start = convert(box, Frame.NORM1, source, **known)
    there = convert(start, source, target, **known)
    extent = target.extent(image, resized)
    assert extent is not None
    assert there.x2 <= extent[0] * (1 + 1e-12)
    assert there.y2 <= extent[1] * (1 + 1e-12)
    assert tuple(convert(there, target, source, **known)) == pytest.approx(tuple(start), rel=1e-12)


def test_a_frame_is_its_own_conversion() -> None:
    box = Box(1, 2, 3, 4)
    for frame in Frame:
        assert convert(box, frame, frame) is box


def test_the_full_image_fills_every_frame() -> None:
    for frame in Frame:
        extent = frame.extent(IMAGE, INPUT)
        assert extent is not None
        assert tuple(to_original(Box(0, 0, *extent), frame, **SIZES)) == (0, 0, *IMAGE)


@pytest.mark.parametrize(
    ("source", "target", "known", "missing"),
    [
        (Frame.NORM1000, Frame.ORIGINAL_PX, {}, "image_size"),
        (Frame.INPUT_PX, Frame.ORIGINAL_PX, {"image_size": IMAGE}, "input_size"),
        (Frame.INPUT_PX, Frame.ORIGINAL_PX, {"input_size": INPUT}, "image_size"),
        (Frame.ORIGINAL_PX, Frame.INPUT_PX, {"image_size": IMAGE}, "input_size"),
        (Frame.NORM1, Frame.INPUT_PX, {}, "input_size"),
    ],
)
def test_a_missing_size_is_named(
    source: Frame, target: Frame, known: dict[str, Size], missing: str
) -> None:
    with pytest.raises(ValueError, match=rf"expected {missing}=\(width, height\)"):
        convert(Box(1, 1, 2, 2), source, target, **known)


@pytest.mark.parametrize("box", [Box(0, 0, MOST, 1), Box(-MOST, 0, 1, 1), Box(0, 0, 1, LEAST_SIDE)])
def test_a_box_that_scaling_destroys_raises_nothing_but_value_error(box: Box) -> None:
    with pytest.raises(ValueError, match="expected finite x1 < x2"):
        to_original(box, Frame.NORM1000, image_size=Size(2000, 1))
    with pytest.raises(ValueError, match="expected finite x1 < x2"):
        to_original(box, Frame.INPUT_PX, image_size=Size(200, 1), input_size=Size(1, 100))


@pytest.mark.parametrize("frame", Frame)
def test_check_sizes_names_what_is_missing_and_where_it_comes_from(frame: Frame) -> None:
    frame.check_sizes(IMAGE, INPUT)
    if frame is Frame.ORIGINAL_PX:
        frame.check_sizes(None, None)
        return
    with pytest.raises(MissingSizeError, match=f"expected image_size.*frame '{frame}'") as caught:
        frame.check_sizes(None, INPUT)
    assert caught.value.missing == "image_size"
    if frame is Frame.INPUT_PX:
        with pytest.raises(MissingSizeError, match=r"input_size.*the model sees") as caught:
            frame.check_sizes(IMAGE, None)
        assert caught.value.missing == "input_size"
    else:
        frame.check_sizes(IMAGE, None)


# --- smart_resize ----------------------------------------------------------------------------

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "cases" / "smart_resize.json").read_text("utf-8")
)["cases"]


@pytest.mark.parametrize("case", RECORDED, ids=lambda c: f"{c['size']}-{c['factor']}")
def test_smart_resize_equals_recorded_results(case: dict[str, Any]) -> None:
    limits = {key: case[key] for key in ("factor", "min_pixels", "max_pixels")}
    assert smart_resize(Size(*case["size"]), **limits) == Size(*case["result"])


LIMITS = [
    (56 * 56, 28 * 28 * 1280),
    (56 * 56, 28 * 28 * 16384),
    (256 * 256, 4096 * 4096),
    (256 * 28 * 28, 512 * 28 * 28),
    (1, 10**9),
]


@pytest.mark.torch
@pytest.mark.parametrize("factor", [28, 32])
@pytest.mark.parametrize(("min_pixels", "max_pixels"), LIMITS)
def test_smart_resize_equals_transformers(factor: int, min_pixels: int, max_pixels: int) -> None:
    theirs = _transformers_smart_resize()
    limits = {"factor": factor, "min_pixels": min_pixels, "max_pixels": max_pixels}
    sides = [*range(1, 100, 3), *range(100, 1000, 37), *range(1000, 9000, 611)]
    sides += [k * factor + d for k in (1, 2, 9) for d in (-1, 0, 1, factor // 2)]
    compared = refused = 0
    for width in sides:
        for height in sides:
            try:
                expected = theirs(height, width, **limits)
            except ValueError:
                refused += 1
                with pytest.raises(ValueError, match="aspect ratio of at most 200"):
                    smart_resize(Size(width, height), **limits)
                continue
            compared += 1
            assert smart_resize(Size(width, height), **limits) == Size(*reversed(expected))
    assert compared > 3000
    assert refused > 100


def _transformers_smart_resize() -> Any:
    pytest.importorskip("transformers", reason="transformers is not installed")
    try:  # transformers >= 5, which needs no torchvision here
        from transformers.models.qwen2_vl import image_processing_pil_qwen2_vl as module
    except ImportError:
        from transformers.models.qwen2_vl import image_processing_qwen2_vl as module
    return module.smart_resize


@_seeded
@given(size=sizes, limits=st.sampled_from(LIMITS[:4]), factor=st.sampled_from([28, 32]))
@example(size=Size(200, 1), limits=LIMITS[0], factor=28)
def test_smart_resize_keeps_its_promises(size: Size, limits: tuple[int, int], factor: int) -> None:
    known = {"factor": factor, "min_pixels": limits[0], "max_pixels": limits[1]}
    resized = smart_resize(size, **known)
    assert resized.width % factor == resized.height % factor == 0
    if min(resized) > factor:
        assert limits[0] <= resized.width * resized.height <= limits[1]
        assert smart_resize(resized, **known) == resized
    assert smart_resize(Size(size.height, size.width), **known) == Size(*reversed(resized))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (Size(201, 1), "aspect ratio of at most 200, got width=201, height=1"),
        (Size(10, 2001), "aspect ratio of at most 200, got width=10, height=2001"),
        (Size(0, 5), "positive sides, got width=0, height=5"),
        (Size(-5, -5), "positive sides, got width=-5, height=-5"),
    ],
)
def test_smart_resize_refuses(size: Size, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smart_resize(size)
    assert smart_resize(Size(200, 1)).height == 28


@pytest.mark.parametrize("name", ["norm7", "norm0", "norm", "norm1e3", "norm10000", "", 1000, None])
def test_a_frame_that_is_none_is_refused_with_those_that_there_are(name: Any) -> None:
    known = "original_px, input_px, norm1024, norm1000, norm999, norm100, norm1"
    with pytest.raises(ValueError, match=f"one of {known}, got {name!r}"):
        Frame(name)
