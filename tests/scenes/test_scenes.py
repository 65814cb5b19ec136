"""Scenes: determinism, separation of the splits, and golds against independent computations."""

from __future__ import annotations

import hashlib
import math
import pickle
import random
import re
from fractions import Fraction

import numpy as np
import pytest

from scripts.train_tiny_vlm.baselines import baselines
from vlreward.frames import smart_resize
from vlreward.geometry import Size
from vlreward.scenes import (
    LEVELS,
    SIZES,
    TASKS,
    Scene,
    SceneSeed,
    Split,
    make_scene,
    more_questions,
    scenes,
)
from vlreward.scenes.raster import _background
from vlreward.tasks.counting import CountGold
from vlreward.tasks.geometry import MathGold
from vlreward.tasks.rec import BoxGold

_BYTES = "c290e63e81d95201c0abbbbcae62efd827f0e8017f105e445a162b0d4f8dd291"


def _digest() -> str:
    digest = hashlib.sha256()
    for task in TASKS:
        for scene in scenes(task, "test", 30):
            digest.update(scene.image.tobytes())
            digest.update(f"{scene.question}|{scene.gold}|{scene.worked_answer()}".encode())
    return digest.hexdigest()


def test_bytes_are_the_same_everywhere() -> None:
    """The digest was taken once on Linux x86-64, CPython 3.11, numpy 2, Pillow 13."""
    assert _digest() == _BYTES


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("level", LEVELS)
def test_equal_seeds_give_equal_scenes_and_other_seeds_others(task: str, level: str) -> None:
    first, again, other = (make_scene(task, "test", i, level) for i in (3, 3, 4))  # type: ignore[arg-type]
    assert first == again
    assert first.image.tobytes() == again.image.tobytes()
    assert first.image.mode == "RGB"
    assert first.image.size == first.size == (first.width, first.height)
    assert first.image.tobytes() != other.image.tobytes()


@pytest.mark.parametrize("task", TASKS)
def test_no_test_picture_turns_up_in_training(task: str) -> None:
    def pictures(split: str, n: int) -> set[bytes]:
        drawn = (make_scene(task, split, i, "easy", size=Size(112, 112)) for i in range(n))  # type: ignore[arg-type]
        return {hashlib.md5(s.pixels().tobytes()).digest() for s in drawn}

    held_out = {split: pictures(split, 150) for split in ("validation", "test")}
    seen = pictures("train", 600)
    assert not seen & held_out["test"]
    assert not seen & held_out["validation"]
    assert not held_out["validation"] & held_out["test"]


def test_every_picture_belongs_to_exactly_one_split() -> None:
    rng = random.Random(5)
    contents = [("square", rng.randrange(10**6)) for _ in range(4000)]
    owners = [[split for split in Split if split.owns(content)] for content in contents]
    assert all(len(found) == 1 for found in owners)
    share = sum(found == [Split.TEST] for found in owners) / len(owners)
    assert share == pytest.approx(1 / 8, abs=0.02)


def test_seeds_differ_between_all_tasks_splits_levels_and_indices() -> None:
    values = {
        SceneSeed(task, split, level, index).value
        for task in TASKS
        for split in Split
        for level in LEVELS
        for index in (0, 1, 2**32 - 1)
    }
    assert len(values) == 3 * 3 * 3 * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("counting", "test", -1), "index to be a whole number from 0 to 2\\^32 - 1, got -1"),
        (("counting", "test", 2**32), "got 4294967296"),
        (("counting", "dev", 0), "'dev' is not a valid Split"),
        (("captioning", "test", 0), "one of rec, .*, got 'captioning'"),
        (("rec", "test", 0, "brutal"), "one of easy, medium, hard, got 'brutal'"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_scene(*arguments)  # type: ignore[arg-type]


def test_too_small_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 96 x 96"):
        make_scene("rec", "test", 0, size=Size(80, 200))


def _drawn_boxes(scene: Scene) -> list[tuple[int, int, int, int]]:
    """Extents of the connected regions that differ from the ground, by flood fill."""
    changed = (scene.pixels() != _background(scene.size)).any(axis=2)
    found = []
    todo = changed.copy()
    while todo.any():
        y, x = map(int, np.argwhere(todo)[0])
        stack, region = [(y, x)], []
        todo[y, x] = False
        while stack:
            y, x = stack.pop()
            region.append((y, x))
            for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                v, u = y + dy, x + dx
                if 0 <= v < todo.shape[0] and 0 <= u < todo.shape[1] and todo[v, u]:
                    todo[v, u] = False
                    stack.append((v, u))
        ys, xs = zip(*region)
        found.append((min(xs), min(ys), max(xs) + 1, max(ys) + 1))
    return found


@pytest.mark.parametrize("level", LEVELS)
def test_boxes_are_the_extents_of_what_is_drawn(level: str) -> None:
    for index in range(6):
        scene = make_scene("rec", "validation", index, level)  # type: ignore[arg-type]
        drawn = _drawn_boxes(scene)
        assert sorted(drawn) == sorted(o.box for o in scene.objects)
        assert scene.gold in drawn


_EXPRESSION = re.compile(
    r"the (?:(?P<first>leftmost|rightmost|topmost|bottommost) |(?P<rank>second|third) )?"
    r"(?P<attributes>[a-z ]+?)(?: from the (?P<side>left|right|top|bottom))?$"
)


def _resolve(expression: str, scene: Scene) -> list[tuple[int, int, int, int]]:
    """Read the words again and find what they mean, ignoring how the question was made."""
    match = _EXPRESSION.match(expression)
    assert match, expression
    words = match["attributes"].split()
    found = [
        o for o in scene.objects if all(w in (o.size, o.colour, o.shape, "object") for w in words)
    ]
    side = match["side"] or (match["first"] or "").removesuffix("most")
    if not side:
        return [o.box for o in found]
    axis, sign = {"left": (0, 1), "top": (1, 1), "right": (0, -1), "bottom": (1, -1)}[side]
    ordered = sorted(found, key=lambda o: sign * (o.box[axis] + o.box[axis + 2]))
    return [ordered[{None: 0, "second": 1, "third": 2}[match["rank"]]].box]


@pytest.mark.parametrize("level", LEVELS)
def test_descriptions_mean_the_gold_and_nothing_else(level: str) -> None:
    sides = set()
    for scene in scenes("rec", "validation", 150, level=level):  # type: ignore[arg-type]
        assert scene.expression is not None
        assert scene.question == f"Where is {scene.expression}?"
        assert _resolve(scene.expression, scene) == [scene.gold]
        sides.add(scene.topic.rpartition(" from the ")[2] if " from " in scene.topic else "")
    assert sides == ({""} if level == "easy" else {"", "left", "right", "top", "bottom"})


@pytest.mark.parametrize("level", LEVELS)
def test_counts_are_right_and_spread(level: str) -> None:
    golds = []
    for scene in scenes("counting", "validation", 150, level=level):  # type: ignore[arg-type]
        words = scene.question.removeprefix("How many ").removesuffix(" are there?").split()
        last = words[-1].removesuffix("s").removesuffix("e") if words[-1] == "crosses" else None
        words[-1] = last or words[-1].removesuffix("s")
        matching = [
            o
            for o in scene.objects
            if all(word in (o.size, o.colour, o.shape, "object") for word in words)
        ]
        assert scene.gold == len(matching)
        golds.append(scene.gold)
    assert max(golds.count(g) for g in set(golds)) < 0.45 * len(golds)
    assert 0 in golds
    assert max(golds) >= {"easy": 3, "medium": 6, "hard": 8}[level]


_LATEX = re.compile(r"(?:\\frac\{(.*)\}\{(\d+)\}|(.*))")


def _number(latex: str) -> float:
    """Value of the few LaTeX shapes that golds have, independent of how they are built."""
    match = _LATEX.fullmatch(latex)
    assert match
    top, bottom = (match[1], int(match[2])) if match[1] else (match[3], 1)
    value = 1.0
    digits = re.match(r"\d*", top)
    assert digits
    value *= int(digits[0] or 1)
    rest = top[digits.end() :]
    if root := re.fullmatch(r"\\sqrt\{(\d+)\}", rest):
        radicand = int(root[1])
        assert all(radicand % (k * k) for k in range(2, 20)), f"{latex} is not in lowest terms"
        value *= math.sqrt(radicand)
    else:
        assert rest in ("", "\\pi"), latex
        value *= math.pi if rest else 1
    if bottom > 1:
        assert Fraction(int(digits[0] or 1), bottom).denominator == bottom, latex
    return value / bottom


def _expected(shape: str, topic: str, v: tuple[int, ...]) -> float:
    """The quantity from a polygon with the labelled sides, by shapely, or from an angle sum."""
    from shapely.geometry import LineString, Point
    from shapely.geometry import Polygon as Ring

    if topic == "angle":
        if shape == "isosceles":
            return (180 - v[0]) / 2
        return 180 - sum(v)
    if shape == "circle":
        disc = Point(0, 0).buffer(v[0], quad_segs=4096)
        return float(disc.area if topic == "area" else disc.length)
    a, b = (v + v)[:2]
    rings: dict[str, list[tuple[float, float]]] = {
        "rectangle": [(0, 0), (a, 0), (a, b), (0, b)],
        "square": [(0, 0), (a, 0), (a, a), (0, a)],
        "right_triangle": [(0, 0), (a, 0), (0, b)],
        "equilateral": [(0, 0), (a, 0), (a / 2, math.sqrt(3) * a / 2)],
        "parallelogram": [(0, 0), (a, 0), (a + 1, b), (1, b)],
        "trapezoid": [(0, 0), (b, 0), (a, v[-1]), (0, v[-1])],
    }
    ring = Ring(rings[shape])
    if topic in ("diagonal", "hypotenuse"):
        corner = rings[shape][2]
        start = rings[shape][0] if topic == "diagonal" else rings[shape][1]
        return float(LineString([start, corner]).length)
    height = ring.bounds[3]
    return float({"area": ring.area, "perimeter": ring.length, "height": height}[topic])


@pytest.mark.parametrize("level", LEVELS)
def test_geometry_golds_equal_the_measured_figure(level: str) -> None:
    asked, forms = set(), set()
    for scene in scenes("geometry", "validation", 200, level=level):  # type: ignore[arg-type]
        assert scene.figure is not None
        text = str(scene.gold)
        if scene.topic == "angle":
            assert text.endswith("°")
            value = text.removesuffix("°")
        else:
            value, unit = text.rsplit(" ", 1)
            assert (
                unit.removesuffix("^2")
                == scene.question.split("Lengths are in ")[1][: len(unit.removesuffix("^2"))]
            )
            assert unit.endswith("^2") == (scene.topic == "area")
        expected = _expected(scene.figure.shape, scene.topic, scene.figure.values)
        assert _number(value) == pytest.approx(expected, rel=1e-6), scene
        asked.add((scene.figure.shape, scene.topic))
        forms |= {f for f in ("frac", "sqrt", "pi") if f in text}
    assert len(asked) >= {"easy": 5, "medium": 8, "hard": 5}[level]
    assert (
        forms == {"easy": set(), "medium": {"frac", "sqrt", "pi"}, "hard": {"frac", "sqrt"}}[level]
    )


def test_labels_lie_inside_the_image_and_lines_too() -> None:
    for scene in scenes("geometry", "validation", 120):
        figure = scene.figure
        assert figure is not None
        for x1, y1, x2, y2 in figure.lines:
            assert 0 <= min(x1, x2) <= max(x1, x2) < scene.width
            assert 0 <= min(y1, y2) <= max(y1, y2) < scene.height
        for text, x, y in figure.labels:
            assert 0 < x < scene.width, text
            assert 6 < y < scene.height - 5, text
        numbers = [int(t.rstrip("°")) for t, _, _ in figure.labels if t != "?"]
        assert numbers == list(figure.values)


def test_resizing_changes_most_sizes() -> None:
    sizes = {size for level in LEVELS for size in SIZES[level]}
    resized = {size: smart_resize(size) for size in sizes}
    assert sum(a != b for a, b in resized.items()) == 4
    assert any(a.width > a.height for a in sizes)
    assert any(a.width < a.height for a in sizes)


def test_worked_answers_are_in_the_frame_of_the_resized_image() -> None:
    scene = make_scene("rec", "test", 2, "hard", size=Size(160, 120))
    x1, y1, x2, y2 = scene.to_sample().target
    seen = smart_resize(scene.size)
    assert seen == (168, 112)
    box = [round(x1 * 168 / 160), round(y1 * 112 / 120), round(x2 * 168 / 160)]
    box.append(round(y2 * 112 / 120))
    answer = scene.worked_answer(seen)
    assert answer.endswith(f'<answer>{{"bbox_2d": {box}}}</answer>')
    assert answer.startswith(f"<think>{scene.topic}: ")
    assert scene.worked_answer().endswith(f'{{"bbox_2d": {[x1, y1, x2, y2]}}}</answer>')


def test_samples_carry_gold_sizes_and_frame() -> None:
    rec, count, geometry = (make_scene(t, "test", 5, "hard").to_sample() for t in TASKS)
    assert isinstance(rec.gold, BoxGold)
    assert rec.frame == "input_px"
    assert rec.image_size is not None
    assert rec.input_size == smart_resize(rec.image_size)
    assert rec.expression is not None
    assert isinstance(count.gold, CountGold)
    assert isinstance(geometry.gold, MathGold)
    assert (rec.id, count.task, geometry.task) == ("rec-test-hard-5", "counting", "geometry")
    assert rec.metadata == {"level": "hard", "split": "test"}


def test_more_questions_ask_about_the_same_picture() -> None:
    scene = make_scene("rec", "train", 1, "medium")
    others = more_questions(scene, 8)
    assert {s.task for s in others} == {"rec", "counting"}
    assert all(s.objects == scene.objects and s.size == scene.size for s in others)
    assert len({s.id for s in [scene, *others]}) == len(others) + 1
    assert more_questions(scene, 8) == others
    figure = make_scene("geometry", "train", 1, "hard")
    assert all(s.figure == figure.figure for s in more_questions(figure, 4))


def test_scenes_survive_pickling() -> None:
    scene = make_scene("geometry", "test", 0)
    assert pickle.loads(pickle.dumps(scene)) == scene


def test_blind_answers_gain_little() -> None:
    rows = {(task, b.name.split(":")[0]): b for task in TASKS for b in baselines(task, "test", 300)}
    assert set(rows) == {
        ("rec", "mean box"),
        ("rec", "centre box"),
        ("rec", "random object"),
        ("counting", "best constant"),
        ("geometry", "best constant"),
    }
    assert rows["rec", "mean box"].accuracy < 0.05
    assert rows["rec", "centre box"].accuracy < 0.05
    assert 0.1 < rows["rec", "random object"].accuracy < 0.3
    assert 0.1 < rows["counting", "best constant"].accuracy < 0.35
    assert rows["geometry", "best constant"].accuracy < 0.1
    with pytest.raises(ValueError, match="at least 1, got 0"):
        baselines("rec", "test", 0)


def test_the_best_constant_is_the_commonest_gold() -> None:
    golds = [s.gold for s in scenes("counting", "test", 90)]
    (row,) = baselines("counting", "test", 90)
    assert row.accuracy == max(golds.count(g) for g in golds) / 90
    assert row.n == 90
