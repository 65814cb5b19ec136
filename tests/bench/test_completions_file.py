"""Recorded completions of other tools: small files of each format, read by one command."""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from tests.runs import results
from vlreward.answer_frames import AnswerFrames
from vlreward.bench.cli import app
from vlreward.bench.completions_file import RecordedFile, read_recorded
from vlreward.bench.recorded_keys import PLACES
from vlreward.data import load
from vlreward.data.errors import DataError
from vlreward.data.images import ImageFolder
from vlreward.errors import OptionError
from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.types import Sample

NULL = "1 of {} completions are null or of requests that failed: they count as empty"
ALIKE = "{} rows ask what another asks, and no id tells"

# file -> questions, answers, right answers of the strict rules, a note
FILES: dict[str, tuple[int, int, int, str]] = {
    "verl_rollout.jsonl": (2, 4, 3, ""),
    "lmms_eval_samples.jsonl": (3, 3, 2, ""),
    "lmms_eval_samples_nested.jsonl": (3, 6, 4, ""),
    "lm_eval_samples.jsonl": (3, 3, 2, "3 rows repeat others for another filter: counted once"),
    "inspect_log.eval": (3, 6, 4, NULL.format(6)),
    "inspect_log.json": (3, 6, 4, NULL.format(6)),
    "swift_infer.jsonl": (3, 3, 2, ""),
    "swift_infer_labels.jsonl": (3, 3, 2, ""),
    "swift_completions.jsonl": (4, 4, 3, ALIKE.format(2)),
    "evalscope_reviews.jsonl": (3, 6, 4, ""),
    "evalscope_reviews_0.jsonl": (3, 3, 2, ""),
    "evalscope_predictions.jsonl": (3, 3, 2, ""),
    "openai_batch.jsonl": (3, 3, 2, NULL.format(3)),
    "vlmevalkit.tsv": (3, 3, 2, ""),
    "vlmevalkit.xlsx": (4, 4, 2, NULL.format(4)),
    "mathvista_output.json": (2, 2, 1, ""),
    "messages_groups.jsonl": (2, 5, 2, "2 of 5 completions are null"),
    "verl_rollout_boxes.jsonl": (2, 2, 1, ""),
}
SUITE = {"mathvista_output.json": "geoqa_test", "verl_rollout_boxes.jsonl": "refcoco_val"}
WITHOUT_GOLDS = ("evalscope_predictions.jsonl", "openai_batch.jsonl")


@pytest.fixture
def cases(root: Path) -> Path:
    return root / "tests" / "cases" / "data" / "recorded"


def count(path: Path, **options: Any) -> RecordedFile:
    return read_recorded(path, "counting", **options)


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def said(file: RecordedFile) -> list[tuple[str, int, str]]:
    return [(row.sample.id, row.attempt, row.completion.text) for row in file.rows]


@pytest.mark.parametrize("name", FILES)
def test_each_format_is_scored_by_one_command(name: str, cases: Path, tmp_path: Path) -> None:
    if name.endswith(".xlsx"):
        pytest.importorskip("openpyxl", reason="needs the extra xlsx")
    questions, answers, right, note = FILES[name]
    suite = SUITE.get(name, "superclevr_test200")
    args = [suite, "--completions", str(cases / name), "--out", str(tmp_path / "out")]
    if name in WITHOUT_GOLDS:
        args += ["--data", str(cases / "golds.jsonl")]
    result = CliRunner().invoke(app, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    entry = results(tmp_path / "out")[suite]
    assert entry["n"] == answers
    assert entry["acc"] == pytest.approx(right / answers)
    assert (entry["attempts"] or {"questions": answers})["questions"] == questions
    assert any(note in text for text in entry["notes"])
    rows = (tmp_path / "out" / f"samples_{suite}.jsonl").read_text().splitlines()
    assert all(json.loads(row)["question"] for row in rows)


def test_every_file_of_the_formats_is_in_the_table(cases: Path) -> None:
    others = {"README.md", "golds.jsonl", "own_keys.jsonl"}
    assert {path.name for path in cases.iterdir()} == FILES.keys() | others


def test_verdicts_lengths_and_ends_are_read_where_tools_record_them(cases: Path) -> None:
    golds = {s.sample.id: s.sample for s in count(cases / "swift_infer_labels.jsonl").rows}
    golds = {str(int(key) - 1): sample for key, sample in golds.items()}
    predictions = count(cases / "evalscope_predictions.jsonl", golds=golds).rows
    assert [row.completion.truncated for row in predictions] == [False, True, False]
    assert [row.completion.token_count for row in predictions] == [9, 9, 9]
    reviews = count(cases / "evalscope_reviews.jsonl").rows
    assert [row.correct for row in reviews] == [True, True, False, True, True, False]
    dump = count(cases / "verl_rollout.jsonl").rows
    assert [row.correct for row in dump] == [True, False, True, True]
    old = count(cases / "evalscope_reviews_0.jsonl").rows
    assert [row.sample.target for row in old] == [4, 2, 6]
    log = count(cases / "inspect_log.eval").rows
    assert [row.correct for row in log] == [True, False, True, True, True, None]
    assert log[0].completion.token_count == 9
    # lm-eval's two filters disagree on the first and the last document.
    samples = count(cases / "lm_eval_samples.jsonl").rows
    assert [row.correct for row in samples] == [None, False, None]


def test_the_two_forms_of_an_inspect_log_read_alike(cases: Path) -> None:
    log = count(cases / "inspect_log.eval")
    assert said(log) == said(count(cases / "inspect_log.json"))
    # Texts and reasoning that the log keeps apart are back.
    assert said(log)[1] == ("q1", 0, "<think>one by one</think><answer>3</answer>")
    assert said(log)[2] == ("q2", 0, "<think>one by one</think><answer>6</answer>")


def test_a_log_compressed_with_zstandard(cases: Path, tmp_path: Path) -> None:
    writing = pytest.importorskip("backports.zstd", reason="needs the extra inspect").zipfile
    path = tmp_path / "log.eval"
    with (
        zipfile.ZipFile(cases / "inspect_log.eval") as old,
        writing.ZipFile(path, "w", writing.ZIP_ZSTANDARD) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert said(count(path)) == said(count(cases / "inspect_log.eval"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + whole[len(whole) // 2 + 40 :])
    with pytest.raises(DataError, match="expected an inspect log"):
        count(path)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("vlmevalkit.xlsx", "openpyxl", "xlsx"), ("zstd.eval", "backports.zstd", "inspect")],
)
def test_a_missing_extra_is_named(
    name: str, module: str, extra: str, cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if extra == "inspect" and sys.version_info >= (3, 14):
        pytest.skip("Python reads Zstandard since 3.14")
    path = cases / name
    if extra == "inspect":
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("samples/1_epoch_1.json", "{}")
        stored, compressed = b"\x00\x00", (93).to_bytes(2, "little")
        head, directory = path.read_bytes().split(b"PK\x01\x02")
        directory = directory[:6] + directory[6:8].replace(stored, compressed) + directory[8:]
        path.write_bytes(head + b"PK\x01\x02" + directory)
    monkeypatch.setitem(sys.modules, module, None)
    # Where inspect was imported, Python's own has learnt to read them: a new one has not.
    monkeypatch.delitem(sys.modules, "zipfile")
    with pytest.raises(ImportError, match=rf"vlreward\[{extra}\]"):
        count(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"not an archive", "expected an inspect log"), (None, "an archive without")],
)
def test_what_is_no_inspect_log(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.eval"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("header.json", "{}")
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        count(path)


SHAPES: list[tuple[Any, list[str]]] = [
    ("a", ["a"]),
    (3, ["3"]),
    (None, [""]),
    ([], [""]),
    (["a", None, "b"], ["a", "", "b"]),
    ([["a", "b"]], ["a", "b"]),
    ([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], ["a"]),
    ([{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], ["a"]),
    (
        [[{"role": "assistant", "content": "a"}], [{"role": "assistant", "content": "b"}]],
        ["a", "b"],
    ),
    ({"role": "assistant", "content": [{"type": "text", "text": "a"}, "b"]}, ["ab"]),
    (
        [{"type": "reasoning", "reasoning": "r"}, {"type": "text", "text": "a"}],
        ["<think>r</think>a"],
    ),
    ({"role": "assistant", "content": "a", "reasoning_content": "r"}, ["<think>r</think>a"]),
    ({"choices": [{"message": {"content": None, "reasoning": "r"}}]}, ["<think>r"]),
    ({"choices": [{"message": {"content": "a"}}, {"message": {"content": None}}]}, ["a", ""]),
    ({"outputs": [{"text": "a", "finish_reason": "length"}]}, ["a"]),
    ({"text": ["a", "b"], "input": "?"}, ["a", "b"]),
    ({"status_code": 200, "body": {"choices": [{"text": "a"}]}}, ["a"]),
]


@pytest.mark.parametrize(("value", "texts"), SHAPES)
def test_shapes_of_completions(value: Any, texts: list[str], tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", {"completion": value, "gold": 3})
    file = count(path)
    assert [row.completion.text for row in file.rows] == texts
    assert [row.attempt for row in file.rows] == list(range(len(texts)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2, 3, 4], "expected a completion as the model wrote it, got numbers"),
        ({"bbox": [1, 2]}, r"an object with the keys \['bbox'\]"),
        (True, "expected a completion as text, got True"),
        ([{"role": "user", "content": "q"}], "expected messages with one of the assistant"),
        ([[["-1.5", "False"]], [["-0.2", "True"]]], "got likelihoods of given answers"),
    ],
)
def test_what_is_no_completion_is_named(value: Any, message: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", {"completion": value, "gold": 3})
    with pytest.raises(DataError, match=f"line 1: .*{message}"):
        count(path)


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    value: Any = "a"
    for _ in range(200):
        value = [value]
    with pytest.raises(DataError, match="nested too deeply"):
        count(lines(tmp_path / "x.jsonl", {"completion": value, "gold": 3}))


def test_options_of_a_question_are_no_completions(tmp_path: Path) -> None:
    row = {"question": "?", "choices": ["3", "4"], "answer": 3, "prediction": "<answer>3</answer>"}
    assert said(count(lines(tmp_path / "x.jsonl", row)))[0][2] == "<answer>3</answer>"
    with pytest.raises(DataError, match="expected a completion in one of"):
        count(lines(tmp_path / "x.jsonl", {k: v for k, v in row.items() if k != "prediction"}))


def test_what_filters_make_of_one_completion_is_not_several(tmp_path: Path) -> None:
    rows = [
        {"doc_id": 0, "target": "3", "filter": name, "filtered_resps": [text]}
        for name, text in (("strict", "[invalid]"), ("flexible", "3"))
    ]
    file = count(lines(tmp_path / "x.jsonl", *rows))
    assert said(file) == [("0", 0, "[invalid]")]
    # A `filter` of anybody else is a key like others.
    rows = [{"id": 0, "gold": 3, "filter": n, "completion": "a"} for n in (1, 2)]
    assert said(count(lines(tmp_path / "x.jsonl", *rows))) == [("0", 0, "a"), ("0", 1, "a")]


def test_the_raw_completion_comes_before_what_was_taken_from_it(tmp_path: Path) -> None:
    row = {"response": "I say <answer>3</answer>", "prediction": "3", "answer": "3"}
    assert said(count(lines(tmp_path / "x.jsonl", row)))[0][2] == "I say <answer>3</answer>"


def test_the_answer_in_a_trace_of_training_is_no_gold(tmp_path: Path) -> None:
    trace = {"id": "1", "completion": "<answer>3</answer>", "answer": 3, "value": 1, "terms": {}}
    with pytest.raises(DataError, match="expected a gold in one of"):
        count(lines(tmp_path / "x.jsonl", trace))


def test_a_gold_that_the_model_answered_is_still_the_gold(tmp_path: Path) -> None:
    """Whether the gold came from `answer` was asked by `is`: equal small numbers are one object."""
    traced = {"completion": "<answer>3</answer>", "gold": 3, "answer": 3, "terms": {}, "value": 1.0}
    assert [row.sample.target for row in count(lines(tmp_path / "x.jsonl", traced)).rows] == [3]
    base = {"pid": "2", "question": "Which?", "image": "1.jpg", "response": "<answer>B</answer>"}
    asked = base | {"choices": ["red", "B"], "gold": "B", "answer": "B"}
    path = lines(tmp_path / "y.jsonl", asked)
    found = read_recorded(path, "choice", also=("geometry",)).rows
    assert found[0].sample.gold == read_recorded(path, "choice").rows[0].sample.gold


def test_a_run_reads_as_it_was_written(cases: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    args = ["superclevr_test200", "-c", str(cases / "messages_groups.jsonl"), "-o", str(out)]
    assert CliRunner().invoke(app, args, catch_exceptions=False).exit_code == 0
    again = count(out / "samples_superclevr_test200.jsonl")
    before = count(cases / "messages_groups.jsonl").rows
    assert [row.row for row in before] == [1, 1, 1, 2, 3]
    assert [replace(row, row=0) for row in again.rows] == [replace(row, row=0) for row in before]


def test_keys_of_nobody_are_read_as_the_message_proposes(cases: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        count(cases / "own_keys.jsonl")
    proposed = str(error.value).rpartition("--columns ")[2]
    assert proposed == "completion=vlm_reply,gold=truth"
    columns = dict(part.split("=") for part in proposed.split(","))
    args = ["superclevr_test200", "-c", str(cases / "own_keys.jsonl"), "--columns", proposed]
    result = CliRunner().invoke(app, [*args, "-o", str(tmp_path / "out")], catch_exceptions=False)
    assert "66.67%" in result.output
    file = count(cases / "own_keys.jsonl", columns=columns | {"id": "task_no", "question": "ask"})
    assert [row.sample.id for row in file.rows] == ["0", "1", "2"]
    assert file.rows[0].sample.question == "How many cups stand on the table?"
    assert [row.sample.target for row in file.rows] == [4, 2, 6]


def test_a_field_within_an_object_can_be_named(tmp_path: Path) -> None:
    row = {"out": {"raw": {"txt": "<answer>3</answer>"}}, "meta": {"n": 3}}
    columns = {"completion": "out.raw.txt", "gold": "meta.n"}
    assert said(count(lines(tmp_path / "x.jsonl", row), columns=columns))[0][2].endswith(
        ">3</answer>"
    )
    with pytest.raises(OptionError, match=r"completion=out\.text: no row of .* has it; the keys"):
        count(tmp_path / "x.jsonl", columns=columns | {"completion": "out.text"})


def test_a_column_that_nothing_is_read_as_is_refused(cases: Path) -> None:
    with pytest.raises(OptionError, match="unknown field 'golds'; did you mean 'gold'"):
        count(cases / "own_keys.jsonl", columns="golds=truth")


def test_the_frame_of_golds_is_declared_and_what_looks_otherwise_is_said(tmp_path: Path) -> None:
    """lmms-eval's RefCOCO boxes are fractions of the image."""
    row = {"doc_id": 0, "target": "[0.1, 0.2, 0.5, 0.6]", "width": 640, "height": 480,
           "filtered_resps": "<answer>[64, 96, 320, 288]</answer>"}  # fmt: skip
    path = lines(tmp_path / "x.jsonl", row, row | {"doc_id": 1, "target": "[0.2, 0.2, 0.4, 0.4]"})
    (note,) = read_recorded(path, "rec").notes
    assert note == (
        "WARNING: 2 of 2 rows have golds that look wrong. What would fit: --gold-frame norm1. The "
        "first: line 1: the gold box [0.1, 0.2, 0.5, 0.6] lies within 0..1: --gold-frame norm1; "
        "line 2: the gold box [0.2, 0.2, 0.4, 0.4] lies within 0..1: --gold-frame norm1"
    )
    file = read_recorded(path, "rec", gold_frame="norm1")
    assert file.notes == ()
    assert tuple(file.rows[0].sample.target) == pytest.approx((64, 96, 320, 288))
    args = ["refcoco_val", "-c", str(path), "--gold-frame", "norm1", "-o", str(tmp_path / "out")]
    assert "50.00%" in CliRunner().invoke(app, args, catch_exceptions=False).output
    # A frame beside the box wins.
    beside = {"completion": "x", "width": 640, "height": 480}
    lines(path, beside | {"gold": {"bbox": [100, 200, 500, 600], "frame": "norm1000"}})
    sample = read_recorded(path, "rec", gold_frame="original_px").rows[0].sample
    assert tuple(sample.target) == pytest.approx((64, 96, 320, 288))


def test_images_are_named_as_rows_name_them(tmp_path: Path) -> None:
    values: list[tuple[Any, str | None, tuple[str, ...]]] = [
        ("a.png", "a.png", ()),
        (["a.png"], "a.png", ()),
        ([{"bytes": None, "path": "a.png"}, "b.png"], "a.png", ("a.png", "b.png")),
        ({"bytes": "AAAA", "path": None}, None, ()),
        ("data:image/png;base64,AAAA", None, ()),
        ([], None, ()),
    ]
    for value, image, images in values:
        path = lines(tmp_path / "x.jsonl", {"completion": "x", "gold": 3, "images": value})
        sample = count(path).rows[0].sample
        assert (sample.image, sample.images) == (image, images)
    # Which image a box lies in is told, or not known.
    # As the samples of a run have it, of which the first one alone was read again.
    row = {"completion": "x", "gold": 3, "image": "b.png", "images": ["a.png", "b.png"]}
    sample = read_recorded(lines(tmp_path / "x.jsonl", row), "counting").rows[0].sample
    assert (sample.image, sample.images) == ("b.png", ("a.png", "b.png"))
    row = {"completion": "x", "gold": [1, 2, 3, 4], "images": ["a.png", "b.png"]}
    packed = {"vlreward": 1, "gold": {"task": "rec", "box": [1, 2, 3, 4]}, "image_index": 1}
    more: list[dict[str, Any]] = [
        {}, {"image_index": 1}, {"gold": packed},
        {"gold": {"bbox": [1, 2, 3, 4], "image_index": 1}},
        {"image_index": None, "objects": {"bbox": [[1, 2, 3, 4]], "image_id": [1]}},
    ]  # fmt: skip
    told = lines(tmp_path / "x.jsonl", *(row | one for one in more))
    found = [r.sample.image for r in read_recorded(told, "rec").rows]
    assert found == [None, *["b.png"] * 4]
    counted = lines(tmp_path / "x.jsonl", row | {"gold": 3, "image_index": None})
    assert read_recorded(counted, "counting").rows[0].sample.image == "a.png"


def test_a_group_is_several_answers_to_one_question_only_with_one_gold(tmp_path: Path) -> None:
    rows = [{"id": 7, "completion": c, "gold": 3} for c in ("a", "b", "a")]
    path = lines(tmp_path / "x.jsonl", *rows)
    assert said(count(path)) == [("7", 0, "a"), ("7", 1, "b"), ("7", 2, "a")]
    lines(path, *rows, {"id": "7", "completion": "c", "gold": 4})
    with pytest.raises(
        DataError, match=r"line 4: expected ids that differ.*as in line 1 with another gold"
    ):
        count(path)


def test_one_accepted_answer_is_the_gold_and_two_are_refused(tmp_path: Path) -> None:
    row = {"completion": "a", "target": ["3", "3"]}
    assert count(lines(tmp_path / "x.jsonl", row)).rows[0].sample.target == 3
    with pytest.raises(DataError, match=r"expected one gold, got 2: \['3', 'three'\]"):
        count(lines(tmp_path / "x.jsonl", row | {"target": ["3", "three"]}))


def test_an_id_that_the_data_lack_is_told_with_one_that_they_have(cases: Path) -> None:
    golds = {"q/1": count(cases / "swift_infer.jsonl").rows[0].sample}
    with pytest.raises(DataError, match=r"line 1: expected the id .* such as 'q/1', got '0'"):
        count(cases / "openai_batch.jsonl", golds=golds)


HEAD = "index\tquestion\tanswer\tprediction\n"
OPEN_QUOTES = {
    "closed by another row's": (
        HEAD + '1\tq\t3\t"the answer is 3\n2\tq\t4\t4\n3\tq\t5\t"5"\n',
        "line 2: .*a quote that opens there is not closed in its cell",
    ),
    "never closed": (
        HEAD + '1\tq\t3\tx\n2\tq\t4\t"the answer is 4\n3\tq\t5\t5\n4\tq\t5\t5\n',
        "line 3: .*a quote that opens there is not closed in its cell",
    ),
    "closed at the end of the file": (
        HEAD + '1\tq\t3\t"the answer is 3\n2\tq\t4\t4\n3\tq\t5\t5"\n',
        "line 2: expected a quote that closes in its own cell, got one from line 2 to line 4",
    ),
    "swallowing into an early cell": (
        HEAD + '1\t"q\t3\tx\n2\tq"\t4\ty\n',
        "line 2: expected a quote that closes in its own cell",
    ),
    "commas": (
        HEAD.replace("\t", ",") + '1,q,3,"three, or\n2,q,4,4\n3,q,5,5"\n',
        "line 2: expected a quote that closes in its own cell",
    ),
}


@pytest.mark.parametrize("case", OPEN_QUOTES)
def test_a_quote_that_stays_open_swallows_no_rows(case: str, tmp_path: Path) -> None:
    content, message = OPEN_QUOTES[case]
    path = tmp_path / ("x.csv" if case == "commas" else "x.tsv")
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        count(path)


def test_quotes_tabs_and_line_breaks_of_a_text_stay(tmp_path: Path) -> None:
    text = 'a "b"\n\nc\td,\r\n1, 2, 3'
    for name, mark in (("x.tsv", "\t"), ("x.csv", ",")):
        quoted = '"' + text.replace('"', '""') + '"'
        head = HEAD.replace("\t", mark)
        path = tmp_path / name
        path.write_bytes(f"\ufeff{head}1{mark}q{mark}3{mark}{quoted}\n".encode())
        assert said(count(path)) == [("1", 0, text)]


def test_a_spreadsheet_reads_as_written(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra xlsx")
    book = openpyxl.Workbook()
    for row in (("index", "answer", "prediction", None), (1.0, 5, "=2+3"), (None,) * 3, (2, 5, 5)):
        book.active.append(row)
    book.create_sheet("other").append(["x"])
    path = tmp_path / "x.xlsx"
    book.save(path)
    assert said(count(path)) == [("1", 0, "=2+3"), ("2", 0, "5")]
    path.write_text("index\tprediction\n")
    with pytest.raises(DataError, match="expected a spreadsheet"):
        count(path)


def test_verl_generations_of_a_parquet_file(tmp_path: Path) -> None:
    """`verl.trainer.main_generation` adds the column `responses` to the rows that it reads."""
    pytest.importorskip("datasets", reason="needs the extra data")
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"data_source": "cups", "prompt": [{"role": "user", "content": "<image>How many?"}],
         "images": [{"bytes": b"png", "path": None}], "reward_model": {"ground_truth": str(n)},
         "responses": [f"<answer>{n}</answer>", "<answer>9</answer>"]}
        for n in (3, 4)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    file = count(tmp_path / "x.parquet")
    assert [(row.sample.target, row.attempt) for row in file.rows] == [
        (3, 0),
        (3, 1),
        (4, 0),
        (4, 1),
    ]
    assert file.questions == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"accuracy": 3}', r"expected a JSON list of rows, .* with the keys \['accuracy'\]"),
        ("[]", "expected rows, got an empty list"),
        ("{}", "expected a JSON list of rows"),
        ('{"a": 1, "b": {"completion": "x"}}', "expected a JSON list of rows"),
    ],
)
def test_json_without_rows(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        count(path)


def test_other_endings_and_directories_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found a directory"):
        count(tmp_path)
    path = tmp_path / "x.pkl"
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"expected a file that ends in .json, .jsonl"):
        count(path)


KEYS = sorted({key.split(".")[0] for names in PLACES.values() for key in names})
KEYS += [
    "role",
    "content",
    "type",
    "text",
    "message",
    "body",
    "usage",
    "filter",
    "metrics",
    "frame",
]
KEYS += ["token_count", "truncated", "image_size", "width", "height", "metadata", "task", "frame"]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-9, 9), st.text(max_size=5),
    st.sampled_from(["<answer>3</answer>", "['3']", "[1, 2, 30, 40]", "norm1000"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=7), min_size=1, max_size=3)


def refusal(path: Path, read: str) -> str:
    """What is said of a file; `read` where it is read."""
    try:
        assert len(count(path).rows) >= 1
    except DataError as error:
        return str(error)
    return read


@given(ROWS, st.booleans())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_of_any_kind_are_read_or_refused_with_their_line(
    tmp_path: Path, rows: list[dict[str, Any]], whole: bool
) -> None:
    """`whole`: beside a completion and a gold, so that all else is read too."""
    sound = {"completion": "<answer>3</answer>", "gold": 3} if whole else {}
    path = lines(tmp_path / "x.jsonl", *(row | sound for row in rows))
    assert "x.jsonl: " in refusal(path, "x.jsonl: ")


@given(st.text(alphabet='ab3"\t\n,', max_size=60), st.sampled_from([".tsv", ".csv"]))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tables_of_any_kind_are_read_or_refused(tmp_path: Path, body: str, ending: str) -> None:
    mark = "\t" if ending == ".tsv" else ","
    path = tmp_path / f"x{ending}"
    path.write_text(f"index{mark}answer{mark}prediction\n1{mark}3{mark}b\n{body}")
    assert f"x{ending}: line " in refusal(path, f"x{ending}: line ")


FAILED = (
    {"status_code": 400, "request_id": "r", "body": {"error": {"message": "bad"}}},
    {"status_code": 400, "request_id": "r", "body": None},
    {"status_code": 400, "body": {"object": "error", "message": "bad", "code": 400}},
)


@pytest.mark.parametrize("response", FAILED)
def test_a_request_of_a_batch_that_failed_is_an_empty_answer(
    response: dict[str, Any], tmp_path: Path
) -> None:
    error = {"message": "bad"} if response["body"] is None else None
    good = {"status_code": 200, "body": {"choices": [{"message": {"content": "3"}}]}}
    rows = (
        {"custom_id": "a", "response": response, "error": error, "gold": 3},
        {"custom_id": "b", "response": good, "error": None, "gold": 3},
    )
    file = count(lines(tmp_path / "x.jsonl", *rows))
    assert [text for _, _, text in said(file)] == ["", "3"]
    assert file.notes == (NULL.format(2),)


@pytest.mark.parametrize("field", ["id", "image", "question", "correct", "completion", "gold"])
def test_a_column_that_no_row_has_is_an_error(field: str, tmp_path: Path) -> None:
    row = {"completion": "<answer>3</answer>", "gold": 3, "qno": "1", "a": {"b": None}}
    path = lines(tmp_path / "x.jsonl", row)
    with pytest.raises(OptionError, match=rf"{field}=qn: no row .* the keys are .*'qno'"):
        count(path, columns={field: "qn"})
    assert count(path, columns={"id": "qno", "image": "a.b"}).rows[0].sample.id == "1"


def test_the_frame_of_an_envelope_wins_over_the_options(tmp_path: Path) -> None:
    envelope = {
        "vlreward": 1, "gold": {"task": "rec", "box": [10, 10, 50, 50]},
        "image_size": [200, 100], "input_size": [100, 50], "frame": "input_px",
    }  # fmt: skip
    row = {"completion": "<answer>[5, 5, 25, 25]</answer>", "gold": json.dumps(envelope)}
    path = lines(tmp_path / "x.jsonl", row)
    file = read_recorded(path, "rec", frames=AnswerFrames(Frame.NORM1000))
    assert (file.frame, file.frame_declared_by) == (Frame.INPUT_PX, "file")
    (note,) = file.notes
    assert "1 of 1 rows declare the frame input_px themselves" in note
    same = read_recorded(path, "rec", frames=AnswerFrames(Frame.INPUT_PX))
    assert (same.frame, same.notes) == (Frame.INPUT_PX, ())
    bare = {"completion": "x", "gold": [1, 1, 5, 5], "image_size": [200, 100]}
    with pytest.raises(DataError, match="1 rows declare their own, which wins: score them apart"):
        read_recorded(lines(path, row, bare), "rec", frames=AnswerFrames(Frame.NORM1000))


def test_what_a_row_says_of_its_answer_holds_with_golds_of_a_data_file(tmp_path: Path) -> None:
    """It was dropped, and the answer scored in the default frame, which no row had declared."""
    gold = {"task": "rec", "box": [10, 10, 50, 50]}
    golds = {"a": Sample.model_validate({"id": "a", "gold": gold})}
    row = {
        "id": "a", "completion": "<answer>[5, 5, 25, 25]</answer>", "image_size": [200, 100],
        "input_size": [100, 50], "frame": "input_px", "axis_order": "yx",
    }  # fmt: skip
    path = lines(tmp_path / "x.jsonl", row)
    ways: list[tuple[Any, dict[str, Any]]] = [(gold, {}), (None, {"golds": golds})]
    for own, options in ways:
        lines(path, row | {"gold": own})
        file = read_recorded(path, "rec", **options)
        assert (file.frame, file.frame_declared_by, file.notes) == (Frame.INPUT_PX, "file", ())
        sample = file.rows[0].sample
        assert (sample.axis_order, sample.input_size) == ("yx", (100, 50))
        assert sample.image_size == (200, 100)
        (note,) = read_recorded(path, "rec", frames=AnswerFrames(Frame.NORM1000), **options).notes
        assert "1 of 1 rows declare the frame input_px themselves" in note
    # The data's size of the image wins, and what is no frame is refused.
    sized = {"a": golds["a"].model_copy(update={"image_size": Size(400, 200)})}
    assert read_recorded(path, "rec", golds=sized).rows[0].sample.image_size == (400, 200)
    with pytest.raises(DataError, match="frame"):
        read_recorded(lines(path, row | {"frame": "inches"}), "rec", golds=golds)


@pytest.mark.parametrize("key", ["finish_reason", "stop_reason"])
def test_a_cut_is_called_alike_beside_a_completion_and_within(key: str, tmp_path: Path) -> None:
    """Of what is said beside it, `length` alone counted."""
    for reason in ("length", "max_tokens", "model_length", "stop", None, ["length"]):
        beside = {"completion": "3", "gold": 3, key: reason}
        within = {"completion": {"text": "3", key: reason}, "gold": 3}
        rows = count(lines(tmp_path / "x.jsonl", beside, within)).rows
        cut = reason in ("length", "max_tokens", "model_length")
        assert [row.completion.truncated for row in rows] == [cut, cut], reason
    both = {"completion": "3", "gold": 3, "finish_reason": None, "stop_reason": "max_tokens"}
    assert count(lines(tmp_path / "x.jsonl", both)).rows[0].completion.truncated


@pytest.mark.parametrize("order", [1, -1])
def test_a_frame_that_some_rows_lack_is_the_default(tmp_path: Path, order: int) -> None:
    """It was the file's, or the default, as the last row said."""
    row = {"completion": "<answer>[1, 2, 30, 40]</answer>", "gold": [1, 2, 30, 40]}
    sized = row | {"width": 64, "height": 64}
    path = lines(tmp_path / "x.jsonl", *[sized | {"frame": "original_px"}, sized][::order])
    file = read_recorded(path, "rec")
    assert (file.frame, file.frame_declared_by) == (Frame.ORIGINAL_PX, "default")
    assert "1 of 2 rows lack the frame that the others declare" in file.notes


def test_the_sides_of_an_image_are_read_as_data_are(tmp_path: Path) -> None:
    row = {"completion": "<answer>[1, 2, 30, 40]</answer>", "gold": [1, 2, 30, 40]}
    for side in (64, 64.0, "64", "64.0"):
        path = lines(tmp_path / "x.jsonl", row | {"width": side, "height": side})
        assert read_recorded(path, "rec").rows[0].sample.image_size == (64, 64)
    for sides, told in (((64, None), "expected both width and height"), (("w", 3), "'w', 3")):
        path = lines(tmp_path / "x.jsonl", row | dict(zip(("width", "height"), sides)))
        with pytest.raises(DataError, match=told):
            read_recorded(path, "rec")


def test_sizes_that_golds_need_are_read_from_their_images(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    row = {"completion": "x", "gold": [0.1, 0.1, 0.5, 0.5], "image": "a.png"}
    path = lines(tmp_path / "x.jsonl", row)
    file = read_recorded(path, "rec", gold_frame="norm1", images=ImageFolder(tmp_path))
    assert file.rows[0].sample.image_size == (200, 100)
    assert tuple(file.rows[0].sample.target) == (20, 10, 100, 50)
    with pytest.raises(DataError, match=r"image_size.*the image's name and --image-root"):
        read_recorded(path, "rec", gold_frame="norm1")
    with pytest.raises(DataError, match="its image cannot be read"):
        read_recorded(path, "rec", gold_frame="norm1", images=ImageFolder(tmp_path / "none"))


def test_rows_of_mathvista_are_choices_or_not_as_they_say(tmp_path: Path) -> None:
    base = {"question": "What is x?", "image": "images/1.jpg", "response": "<answer>B</answer>"}
    rows = {
        "1": {**base, "pid": "1", "choices": None, "answer": "1.2"},
        "2": {**base, "pid": "2", "choices": ["red", "dark blue"], "answer": "dark blue"},
    }
    path = tmp_path / "output.json"
    path.write_text(json.dumps(rows))
    found = read_recorded(path, "choice", also=("geometry",)).rows
    assert [row.sample.task for row in found] == ["geometry", "choice"]
    assert found[1].sample.target == (("B",), ("red", "dark blue"))
    data = load(path)  # the data file is an object of rows by pid too
    assert [sample.gold for sample in data] == [row.sample.gold for row in found]
