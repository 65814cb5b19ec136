"""Every published schema, and every way in which a file of it can be bad."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vlreward.data import DataError, Dataset, MissingImagesError, UnknownSchemaError, load
from vlreward.geometry import Box, Size
from vlreward.tasks.counting import CountGold
from vlreward.tasks.geometry import MathGold
from vlreward.tasks.rec import BoxGold

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write rows as JSON or JSON Lines by the suffix of the name, or bytes as they are."""

    def _write(name: str, content: Any) -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
        else:
            path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return _write


@pytest.fixture(scope="session")
def cases(root: Path) -> Path:
    """Excerpts of published data files."""
    return root / "tests" / "cases" / "data"


_LINE = b'{"image_path": "a.png", "question": "How many?", "ground_truth": 1}\n'
_SENTENCE = "Please provide the bounding box coordinate of the region this sentence describes: "


def _rec(**changes: Any) -> dict[str, Any]:
    row = {
        "image": "train2014/a.jpg",
        "problem": f"{_SENTENCE}carrots.",
        "normal_caption": "carrots.",
        "solution": [151.96, 139.46, 606.89, 423.19],
        "normalized_solution": [237, 325, 948, 988],
        "width": 640,
        "height": 428,
        "dataset": "refcoco",
    }
    return {**row, **changes}


def _r1v(gold: Any, **changes: Any) -> dict[str, Any]:
    return {"image_path": "./a.png", "question": "How many?", "ground_truth": gold, **changes}


def _tagged(gold: str) -> dict[str, Any]:
    return {"image": "a.png", "problem": "How many?", "solution": f"<answer> {gold} </answer>"}


def _talk(gold: Any, **changes: Any) -> dict[str, Any]:
    turns = [
        {"from": "human", "value": "<image>\nHow many <b>balls</b> are there?"},
        {"from": "gpt", "value": gold},
    ]
    return {"id": 7, "image": "a.png", "conversations": turns, **changes}


class TestSchemas:
    def test_processed_refcoco_file(self, cases: Path) -> None:
        path = cases / "refcoco_one_image.json"
        data = load(path)
        assert len(data) == 3
        assert data.provenance.schema == "rec"
        assert data.provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        sample = data[1]
        assert sample.id == "refcoco_one_image/2"
        assert sample.question == f"{_SENTENCE}front bowl wcarrots in it."
        assert sample.expression == "front bowl wcarrots in it."
        assert sample.gold == BoxGold(box=Box(151.96, 139.46, 606.89, 423.19))
        assert sample.image == "train2014/COCO_train2014_000000580957.jpg"
        assert sample.image_size == Size(640, 428)
        assert sample.metadata == {
            "dataset": "refcoco",
            "normalized_solution": [237, 325, 948, 988],
        }

    def test_rec_as_lines_gives_the_same_samples(self, cases: Path, write: Write) -> None:
        rows = json.loads((cases / "refcoco_one_image.json").read_text())
        lines = load(write("refcoco_one_image.jsonl", rows))
        assert list(lines) == list(load(cases / "refcoco_one_image.json"))

    def test_rec_expression_from_the_fixed_sentence(self, write: Write) -> None:
        row = _rec()
        del row["normal_caption"]
        assert load(write("x.json", [row]))[0].expression == "carrots."

    def test_rec_question_from_the_caption(self, write: Write) -> None:
        row = _rec()
        del row["problem"]
        assert load(write("x.json", [row]))[0].question == f"{_SENTENCE}carrots."

    def test_rec_other_question_has_no_expression(self, write: Write) -> None:
        row = _rec(problem="Where are the carrots?")
        del row["normal_caption"]
        sample = load(write("x.json", [row]))[0]
        assert (sample.question, sample.expression) == ("Where are the carrots?", None)

    def test_r1v_counts(self, cases: Path) -> None:
        data = load(cases / "superclevr_10.jsonl")
        assert (data.provenance.schema, data.provenance.task) == ("r1-v", "counting")
        assert [s.target for s in data] == [7, 9, 5, 7, 8, 7, 8, 5, 8, 3]
        assert data[0].question == "How many different items are there in the image?"

    def test_r1v_geometry(self, cases: Path) -> None:
        data = load(cases / "geoqa_12.jsonl")
        assert data.provenance.task == "geometry"
        assert data[0].gold == MathGold(expression="140°")
        assert data[0].question.startswith("As shown in the figure, in triangle ABC")

    def test_r1v_text_of_digits_is_an_expression(self, write: Write) -> None:
        data = load(write("x.jsonl", [_r1v("45")]))
        assert data[0].gold == MathGold(expression="45")

    def test_named_task_wins_over_the_type(self, write: Write) -> None:
        path = write("x.jsonl", [_r1v("45"), _r1v(3)])
        assert [s.gold for s in load(path, task="counting")] == [
            CountGold(count=45),
            CountGold(count=3),
        ]
        golds = [s.gold for s in load(path, task="geometry")]
        assert golds == [MathGold(expression="45"), MathGold(expression="3")]

    def test_clevr_solutions_with_spaces_inside_the_tags(self, write: Write) -> None:
        data = load(write("clevr.jsonl", [_tagged("3"), _tagged("0")]), task="counting")
        assert data.provenance.schema == "problem-solution"
        assert [s.target for s in data] == [3, 0]

    def test_geoqa_solutions(self, write: Write) -> None:
        rows = [_tagged("30"), _tagged("145°")]  # the degree sign is missing here and there
        data = load(write("geoqa.jsonl", rows))
        assert [s.target for s in data] == ["30", "145°"]

    def test_whole_numbers_alone_do_not_tell_the_task(self, write: Write) -> None:
        path = write("x.jsonl", [_tagged("3"), _tagged("4")])
        with pytest.raises(DataError, match=r"--task, one of .*counting, .*geometry, "):
            load(path)

    def test_boxes_as_json_text(self, write: Write) -> None:
        row = {**_tagged("[1, 2, 30, 40]"), "problem": f"{_SENTENCE}cat."}
        data = load(write("x.jsonl", [row]))
        assert data.provenance.schema == "rec"
        assert data[0].target == Box(1, 2, 30, 40)

    @pytest.mark.parametrize("gold", ["3", 3, "<answer> 3 </answer>"])
    def test_conversations(self, write: Write, gold: Any) -> None:
        data = load(write("x.jsonl", [_talk(gold)]), task="counting")
        sample = data[0]
        assert (sample.id, sample.image, sample.target) == ("7", "a.png", 3)
        assert sample.question == "How many <b>balls</b> are there?"

    @pytest.mark.parametrize(
        "gold",
        [
            "[1, 2, 30.5, 40]",
            '{"bbox_2d": [1, 2, 30.5, 40], "label": "x"}',
            '[{"bbox_2d": [1, 2, 30.5, 40]}]',
        ],
    )
    def test_conversations_with_boxes(self, write: Write, gold: str) -> None:
        turns = [
            {"from": "human", "value": f"<image>{_SENTENCE}the cat."},
            {"from": "gpt", "value": gold},
        ]
        data = load(write("x.jsonl", [_talk(gold, conversations=turns, image=["a.png"])]))
        assert data[0].target == Box(1, 2, 30.5, 40)
        assert (data[0].expression, data[0].image) == ("the cat.", "a.png")

    def test_packed_gold(self, write: Write) -> None:
        gold = {
            "vlreward": 1,
            "gold": {"task": "rec", "box": [100, 100, 500, 500], "frame": "norm1000"},
            "image_size": [640, 480],
        }
        row = {**_rec(solution=json.dumps(gold)), "width": None, "height": None}
        assert load(write("x.json", [row]))[0].target == Box(64, 48, 320, 240)

    def test_recorded_files(self, shared_data: Path) -> None:
        data = load(shared_data / "annotations" / "refcoco_val_2000.json")
        assert len(data) == 2000
        assert {s.metadata["dataset"] for s in data} == {"refcoco"}
        counts = load(shared_data / "prompts" / "superclevr_test200_counting_problems.jsonl")
        assert len(counts) == 200
        assert not counts.provenance.remarks
        assert {s.target for s in counts} == set(range(3, 11))

    def test_every_recorded_geometry_gold_can_be_verified(self, shared_data: Path) -> None:
        data = load(shared_data / "prompts" / "geoqa_test_prompts.jsonl", on_bad_gold="skip")
        assert data.provenance.skipped == ()
        assert len(data) == 754


class TestErrors:
    def _message(self, path: Path, **options: Any) -> str:
        with pytest.raises(DataError) as caught:
            load(path, **options)
        return str(caught.value)

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"no file .*hf:OWNER/NAME"):
            load(tmp_path / "none.json")

    def test_unknown_schema_lists_keys_and_schemas(self, write: Write) -> None:
        with pytest.raises(UnknownSchemaError) as caught:
            load(write("x.json", [{"img": "a", "q": "b"}]))
        message = str(caught.value)
        assert "got the keys img, q, which fit none. Name the columns: " in message
        assert "--columns gold=q,image=img,question=COLUMN" in message
        for name in (
            "rec (image, solution)",
            "r1-v (image_path,",
            "conversations (",
            "verl (prompt,",
        ):
            assert name in message

    def test_keys_of_two_schemas(self, write: Write) -> None:
        path = write("x.json", [{**_rec(), **_r1v(3)}])
        with pytest.raises(
            UnknownSchemaError, match=r"several fit: rec .*r1-v \(gold in ground_truth"
        ):
            load(path)
        assert load(path, schema="r1-v")[0].target == 3

    def test_unknown_schema_name(self, write: Write) -> None:
        with pytest.raises(ValueError, match=r"unknown schema 'recs'; did you mean 'rec'"):
            load(write("x.json", [_rec()]), schema="recs")

    @pytest.mark.parametrize(
        ("solution", "expected"),
        [
            ([30, 2, 10, 40], r"x1 < x2 and y1 < y2 .*, got \(30, 2, 10, 40\)"),
            ([1, 2, 3], "four numbers"),
            (["1", 2, 30, 40], "four numbers"),
            ([True, 2, 30, 40], "four numbers"),
            ([], "four numbers"),
            (None, "four numbers"),
            ("somewhere", "four numbers"),
            ([700, 500, 800, 600], "which does not touch it"),
        ],
    )
    def test_bad_boxes(self, write: Write, solution: Any, expected: str) -> None:
        path = write("x.json", [_rec(), _rec(solution=solution)])
        message = self._message(path)
        assert re.search("got 1 bad; .*--on-bad-gold skip", message)
        assert re.search(rf"^  row 2: gold: .*{expected}", message, re.MULTILINE)
        assert message.startswith(f"{path}: ")

    @pytest.mark.parametrize("gold", [-1, "3 cats", "-3", "", 1.5, True, None, [1]])
    def test_bad_counts(self, write: Write, gold: Any) -> None:
        message = self._message(write("x.jsonl", [_r1v(3), _r1v(gold)]), task="counting")
        assert "  line 2: gold: " in message

    @pytest.mark.parametrize("gold", ["", "   ", None, [], "x" * 600])
    def test_bad_expressions(self, write: Write, gold: Any) -> None:
        message = self._message(write("x.jsonl", [_r1v("1"), _r1v(gold)]), task="geometry")
        assert "  line 2: gold: " in message

    def test_expressions_that_cannot_be_verified(self, write: Write) -> None:
        path = write("x.jsonl", [_r1v("1"), _r1v("?"), _r1v("2"), _r1v("?")])
        with pytest.raises(DataError, match=r"got 2 bad(?s:.*)line 2: gold: .* got '\?'"):
            load(path)
        data = load(path, on_bad_gold="skip")
        assert [s.id for s in data] == ["x/1", "x/3"]
        assert [(p.row, p.line, p.kind) for p in data.provenance.skipped] == [
            (2, 2, "bad_gold"),
            (4, 4, "bad_gold"),
        ]
        assert list(data.row_numbers) == [1, 3]

    @pytest.mark.parametrize("options", [{"on_bad_gold": "skip"}, {"where": "use>0"}])
    def test_the_first_row_that_is_kept_tells_the_task(
        self, write: Write, options: dict[str, Any]
    ) -> None:
        rows = [{**_r1v(gold), "use": i} for i, gold in enumerate([None, 2, 3])]
        data = load(write("x.jsonl", rows), **options)
        assert [(sample.id, sample.task) for sample in data] == [
            ("x/2", "counting"),
            ("x/3", "counting"),
        ]

    def test_the_verifier_refuses_what_it_cannot_read(self, write: Write) -> None:
        path = write("x.jsonl", [_r1v("145°"), _r1v("$")])
        with pytest.raises(DataError, match="line 2: gold: "):
            load(path)

    def test_skipping_leaves_bad_rows_an_error(self, write: Write) -> None:
        path = write("x.json", [_rec(), _rec(solution=[1, 2, 1, 3]), {"image": "a"}])
        message = self._message(path, on_bad_gold="skip")
        assert "got 1 bad" in message
        assert "row 3: expected the keys image, solution of schema 'rec', got no sol" in message

    def test_skipping_everything_is_an_error(self, write: Write) -> None:
        message = self._message(write("x.json", [_rec(solution=[1])]), on_bad_gold="skip")
        assert "no row of 1 is left: 1 were skipped" in message

    def test_mixed_types_by_type(self, write: Write) -> None:
        message = self._message(write("x.jsonl", [_r1v(3), _r1v("4"), _r1v("145°")]))
        assert "line 2: mixed types: expected a gold for counting as in the first row" in message
        assert "got 2 bad" in message

    def test_mixed_types_by_content(self, write: Write) -> None:
        message = self._message(write("x.jsonl", [_talk("145°"), _talk("[1, 2, 3, 4]")]))
        assert "mixed types" in message
        assert "line 1: a gold for geometry" in message
        assert "line 2: a gold for rec" in message

    def test_double_ids(self, write: Write) -> None:
        path = write("x.jsonl", [_talk("3"), _talk("4", id="8"), _talk("5", id="7")])
        message = self._message(path, task="counting")
        assert "line 3: expected ids that differ, got '7' as in row 1" in message

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"image": ["a.png", 3]}, "expected the path of an image, got 3"),
            ({"image": 3}, "expected the path of an image, got 3"),
            ({"image": ""}, "expected the path of an image, got ''"),
            ({"id": 1.5}, "'id': expected a text or a whole number, got 1.5"),
            ({"id": "  "}, "id: .*non-empty id"),
            (
                {"conversations": []},
                r"'conversations': expected a text or a list of messages, got \[\]",
            ),
            (
                {"conversations": "x"},
                "'conversations': expected an answer after the question, got no",
            ),
            ({"conversations": [1, 2]}, r"a list of messages, got \[1, 2\]"),
            ({"width": 640}, "both width and height, got width=640, height=None"),
            ({"width": 0, "height": 2}, "width, height: expected .width, height. as two positive"),
        ],
    )
    def test_bad_rows(self, write: Write, changes: dict[str, Any], expected: str) -> None:
        path = write("x.jsonl", [_talk("1"), {**_talk("3", id=9), **changes}])
        assert re.search(rf"^  line 2: .*{expected}", self._message(path, task="counting"), re.M)

    @pytest.mark.parametrize("row", [3, None, [], "x"])
    def test_rows_that_are_no_objects(self, write: Write, row: Any) -> None:
        assert "row 1: expected an object" in self._message(write("x.json", [row]))
        assert "row 2: expected an object" in self._message(write("x.json", [_rec(), row]))

    @pytest.mark.parametrize(
        "gold", ["<answer>3</answer> or <answer>4</answer>", "<answer>3", "a</answer>"]
    )
    def test_unbalanced_answer_tags(self, write: Write, gold: str) -> None:
        row = {**_tagged("3"), "solution": gold}
        message = self._message(write("x.jsonl", [_tagged("3"), row]), task="counting")
        assert "line 2: gold: expected '<answer>...</answer>' around the whole gold" in message

    def test_many_problems_are_counted_and_ten_are_listed(self, write: Write) -> None:
        message = self._message(write("x.json", [_rec(solution=[0]) for _ in range(25)]))
        assert "got 25 bad" in message
        assert message.count("\n  row ") == 10
        assert message.endswith("... and 15 more")

    def test_long_values_are_cut(self, write: Write) -> None:
        message = self._message(write("x.json", [_rec(), _rec(problem=["x" * 10_000])]))
        assert len(message) < 1000

    @pytest.mark.parametrize(
        ("name", "content", "expected"),
        [
            ("x.json", b"", "expected rows, got an empty file"),
            ("x.jsonl", b" \n\n", "expected rows, got an empty file"),
            ("x.json", b"[]", "expected rows, got an empty list"),
            ("x.json", b"{}", "expected a JSON list of rows, got dict"),
            ("x.json", b'{"accuracy": 1, "results": []}', "looks like a result file"),
            ("x.json", b'[{"a": 1},\n {"b" 2}]', "line 2, column 7: expected JSON"),
            ("x.json", b'{"a": 1}\n{"a": 2}', "Extra data; if every line .* name it .jsonl"),
            ("x.jsonl", _LINE + b'{"b" 2}', "line 2, column 6: expected JSON"),
            ("x.jsonl", b'{"a": NaN}', "line 1: expected JSON: NaN is no JSON number"),
            ("x.jsonl", b'{"a": ' + b"1" * 5000 + b"}", "line 1: expected JSON: Exceeds the limit"),
            ("x.json", b"[" * 200_000, "nested too deeply|line 1, column"),
            ("x.json", b'[{"a": "caf\xe9"}]', "line 1, byte 12: expected UTF-8, got 0xe9"),
            ("x.jsonl", _LINE + b'"caf\xe9"', "line 2, byte 5: expected UTF-8, got 0xe9"),
            ("x.json", b"\xef\xbb\xbf[]", "expected rows, got an empty list"),
            ("x.jsonl", "{}".encode("utf-16"), "got UTF-16"),
            ("x.json", "[]".encode("utf-32"), "got UTF-32"),
        ],
    )
    def test_bad_files(self, write: Write, name: str, content: bytes, expected: str) -> None:
        assert re.search(expected, self._message(write(name, content)))

    def test_lone_surrogates(self, write: Write) -> None:
        row = json.dumps(_rec(problem="@")).replace("@", "\\ud800")
        assert "row 1: expected Unicode text: " in self._message(
            write("x.json", f"[{row}]".encode())
        )

    def test_blank_lines_keep_line_numbers_right(self, write: Write) -> None:
        good = json.dumps(_r1v(3)).encode()
        path = write("x.jsonl", good + b"\n\n" + good + b"\r\n\n" + b'{"image_path": 1}\n')
        assert "  line 5: expected the keys" in self._message(path)
        path = write("y.jsonl", good + b"\n\n" + good)
        assert load(path).ids == ("y/1", "y/2")

    @pytest.mark.parametrize("option", ["on_missing", "on_bad_gold"])
    def test_unknown_option_values(self, write: Write, option: str) -> None:
        with pytest.raises(ValueError, match=f"{option}: expected error.* got 'ignore'"):
            load(write("x.json", [_rec()]), **{option: "ignore"})  # type: ignore[arg-type]


class TestImages:
    @pytest.fixture
    def coco(self, tmp_path: Path) -> Path:
        folder = tmp_path / "coco" / "train2014"
        folder.mkdir(parents=True)
        Image.new("RGB", (640, 428)).save(folder / "a.jpg")
        sideways = Image.Exif()
        sideways[0x0112] = 6
        Image.new("RGB", (64, 48)).save(folder / "turned.jpg", exif=sideways)
        return tmp_path / "coco"

    def test_missing_images(self, write: Write, coco: Path) -> None:
        rows = [_rec(), *(_rec(image=f"train2014/no{i}.jpg") for i in range(12)), _rec()]
        rows.append(_rec(image="train2014/no3.jpg"))
        path = write("x.json", rows)
        with pytest.raises(MissingImagesError) as caught:
            load(path, image_root=coco)
        message = str(caught.value)
        assert "got 12 missing images, which 13 of 15 samples name" in message
        for i in range(10):
            assert f"  row {i + 2}: no image '{coco}/train2014/no{i}.jpg'" in message
        assert "no10.jpg" not in message
        assert message.endswith("... and 2 more")
        assert "--on-missing skip" in message

    def test_skipping_missing_images_drops_and_reports(self, write: Write, coco: Path) -> None:
        path = write("x.json", [_rec(image="no.jpg"), _rec(), _rec(image="train2014/no.jpg")])
        data = load(path, image_root=coco, on_missing="skip")
        assert data.ids == ("x/2",)
        assert data[0].image == "train2014/a.jpg"
        assert [(p.row, p.kind) for p in data.provenance.skipped] == [
            (1, "missing_image"),
            (3, "missing_image"),
        ]
        assert data.provenance.rows == 3

    def test_keep_does_not_look(self, write: Write, coco: Path) -> None:
        path = write("x.json", [_rec(image="no.jpg")])
        assert len(load(path, image_root=coco, on_missing="keep")) == 1
        assert len(load(path)) == 1

    def test_all_missing_is_an_error_even_when_skipping(self, write: Write, coco: Path) -> None:
        with pytest.raises(DataError, match="no sample is left: all 1 lack a usable image"):
            load(write("x.json", [_rec(image="no")]), image_root=coco, on_missing="skip")

    def test_images_outside_the_root(self, write: Write, coco: Path) -> None:
        path = write("x.json", [_rec(), _rec(image="../x.json"), _rec(image="/etc/hostname")])
        with pytest.raises(DataError, match=r"row 2: .*'../x.json' lies outside(?s:.*)row 3: "):
            load(path, image_root=coco, on_missing="skip")

    def test_flat_images(self, write: Write, coco: Path) -> None:
        (coco / "train2014").rename(coco / "flat")
        path = write("x.json", [_rec()])
        with pytest.raises(MissingImagesError, match="--flat-images"):
            load(path, image_root=coco / "flat")
        data = load(path, image_root=coco / "flat", flat_images=True)
        assert data.image(data[0]) == coco / "flat" / "a.jpg"

    def test_no_such_root(self, write: Write, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="expected the directory of the images"):
            load(write("x.json", [_rec()]), image_root=tmp_path / "none")

    def test_sizes_are_read_after_orientation(self, write: Write, coco: Path) -> None:
        row = _rec(image="train2014/turned.jpg", solution=[1, 2, 30, 40])
        del row["width"], row["height"]
        path = write("x.json", [row])
        assert load(path, image_root=coco)[0].image_size == Size(48, 64)

    def test_sizes_may_be_written_as_texts(self, write: Write) -> None:
        data = load(write("x.json", [_rec(width="640", height="428")]))
        assert data[0].image_size == Size(640, 428)

    def test_declared_sizes_are_compared(self, write: Write, coco: Path) -> None:
        row = _rec(image="train2014/turned.jpg", solution=[1, 2, 30, 40], width=64, height=48)
        data = load(write("x.json", [row]), image_root=coco, read_sizes=True)
        assert data[0].image_size == Size(48, 64)
        assert "declared (64, 48), but the image" in data.provenance.notes[0].message

    def test_sizes_of_broken_images(self, write: Write, coco: Path) -> None:
        (coco / "bad.jpg").write_bytes(b"no image")
        path = write("x.json", [_rec(image="bad.jpg")])
        with pytest.raises(DataError, match=r"row 1: .*bad.jpg: cannot read the image"):
            load(path, image_root=coco, read_sizes=True)

    def test_sizes_need_images(self, write: Write) -> None:
        with pytest.raises(DataError, match="read_sizes needs the images"):
            load(write("x.json", [_rec()]), read_sizes=True)

    def test_boxes_that_leave_the_image_are_suspicious(self, write: Write) -> None:
        rows = [_rec(solution=[0, 0, 641.5, 428]), _rec(solution=[-3, 0, 640, 428])]
        found = load(write("x.json", rows), on_suspicious="keep").provenance.suspicious
        assert [problem.row for problem in found] == [2]
        assert "leaves the image of 640 x 428 pixels by 3" in found[0].message

    def test_images_are_opened_through_the_data_set(self, write: Write, coco: Path) -> None:
        path = write(
            "x.json",
            [
                _rec(),
                _rec(image="train2014/turned.jpg", width=48, height=64, solution=[1, 2, 3, 4]),
            ],
        )
        data = load(path, image_root=coco)
        assert data.open_image(data[1]).size == (48, 64)
        assert data.image(data[0]) == coco / "train2014" / "a.jpg"
        with pytest.raises(DataError, match="no image root is known"):
            load(path).open_image(data[0])

    def test_real_image(self, cases: Path, shared_data: Path) -> None:
        data = load(
            cases / "refcoco_one_image.json",
            image_root=shared_data / "images" / "coco",
            flat_images=True,
            read_sizes=True,
        )
        assert not data.provenance.notes
        assert data.open_image(data[0]).size == (640, 428)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
_ROWS = [_rec(), _r1v(3), _r1v("145°"), _tagged("3"), _talk("3")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.sampled_from(_ROWS), data=st.data(), suffix=st.sampled_from(["json", "jsonl"]))
def test_any_values_load_or_are_refused(
    write: Write, row: dict[str, Any], data: st.DataObject, suffix: str
) -> None:
    keys = data.draw(st.sets(st.sampled_from(sorted(row)), min_size=1))
    broken = {**row, **{key: data.draw(_json, label=key) for key in sorted(keys)}}
    path = write(f"x.{suffix}", [row, broken])
    for task in ("rec", "counting", "geometry"):
        try:
            loaded = load(path, task=task, on_bad_gold="skip", on_suspicious="keep")
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017 - both outcomes are right
        else:
            assert len(loaded) + len(loaded.provenance.skipped) == 2


def test_a_hundred_thousand_rows_cost_little(write: Write) -> None:
    import tracemalloc

    rows = [
        _rec(normal_caption=f"thing {i}.", problem=f"{_SENTENCE}thing {i}.") for i in range(2000)
    ]
    path = write("x.jsonl", rows)
    tracemalloc.start()
    try:
        data: Dataset = load(path)
        bytes_per_row = tracemalloc.get_traced_memory()[0] / len(data)
    finally:
        tracemalloc.stop()
    assert bytes_per_row < 1000  # a Sample alone takes 2500


def test_import_is_light() -> None:
    code = (
        "import sys, vlreward.data; "
        "print([m for m in ('PIL', 'httpx', 'rich', 'yaml', 'datasets', 'numpy', 'sympy') "
        "if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
