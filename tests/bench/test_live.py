"""A run through an engine: frames of each family, resuming, controls, expectations, errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests.runs import results
from vlreward.bench.cli import app
from vlreward.bench.command import run_command
from vlreward.bench.options import RunOptions
from vlreward.cli import app as commands
from vlreward.engines.base import (
    ENGINES,
    Engine,
    EngineConfig,
    Generation,
    GenerationError,
    Outcome,
    Request,
)
from vlreward.frames import FAMILIES, Frame, convert
from vlreward.geometry import Box, Size

SIZES = ((640, 428), (333, 500), (1000, 90))
BOXES = ((152, 139, 606, 423), (10, 20, 300, 480), (500, 5, 990, 85))

STYLES = {
    "qwen2-vl": "<|object_ref_start|>it<|object_ref_end|><|box_start|>({},{}),({},{})<|box_end|>",
    "qwen2.5-vl": '```json\n[{{"bbox_2d": [{}, {}, {}, {}], "label": "it"}}]\n```',
    "qwen3-vl": '```json\n[{{"bbox_2d": [{}, {}, {}, {}], "label": "it"}}]\n```',
    "internvl": "<ref>it</ref><box>[[{}, {}, {}, {}]]</box>",
}


class PerfectEngine(Engine):
    """Answers with the gold box, in the frame and the words of its family."""

    name = "perfect"
    asked = 0
    broken: frozenset[str] = frozenset()

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        assert self.family is not None
        self.seen = self.family

    def describe(self) -> dict[str, Any]:
        return {"engine": self.name, "model": self.model, **self.sampling.describe()}

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        for request in requests:
            type(self).asked += 1
            number = int(request.meta["id"].rsplit("/", 1)[-1]) - 1
            if str(number) in self.broken:
                yield request.key, GenerationError("http_500", "the endpoint said no")
                continue
            assert isinstance(request.image, Path)
            with Image.open(request.image) as image:
                size = Size(*image.size)
            seen = self.seen.input_size(size)
            box = convert(
                Box(*BOXES[number]), Frame.ORIGINAL_PX, self.seen.frame,
                image_size=size, input_size=seen,
            )  # fmt: skip
            text = STYLES[self.seen.name].format(*map(round, box))
            yield request.key, Generation(text, image_size=size, input_size=seen)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> type[PerfectEngine]:
    class Fresh(PerfectEngine):
        pass

    monkeypatch.setitem(ENGINES._items, "perfect", Fresh)
    return Fresh


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = []
    for number, (size, box) in enumerate(zip(SIZES, BOXES)):
        Image.new("RGB", size, (number, 90, 200)).save(tmp_path / f"{number}.png")
        row = {"image": f"{number}.png", "problem": "Where is it?", "normal_caption": "it"}
        rows.append({**row, "solution": box})
    (tmp_path / "refcoco_val.json").write_text(json.dumps(rows))
    return tmp_path


def entry(out: Path, name: str = "refcoco_val") -> dict[str, Any]:
    return results(out)[name]


def bench(*args: object) -> Result:
    words = ["refcoco_val", "--engine", "perfect", "--method", "baseline", *map(str, args)]
    return CliRunner().invoke(app, words, catch_exceptions=False)


@pytest.mark.parametrize("family", STYLES)
def test_a_perfect_model_scores_one_in_its_own_frame(
    engine: type[PerfectEngine], data: Path, tmp_path: Path, family: str
) -> None:
    out = tmp_path / "out"
    result = bench("--model", family, "--data-root", data, "--out", out)
    assert result.exit_code == 0, result.output
    found = entry(out)
    assert found["acc"] == 1.0
    assert found["metrics"]["acc@0.9"] == 1.0
    assert (found["frame"], found["frame_declared_by"]) == (
        FAMILIES[family].frame.value,
        "model family",
    )
    assert found["prompt"] == "rec-baseline"
    assert found["model"] == family
    manifest = json.loads((out / "manifest_refcoco_val.json").read_text())
    assert manifest["count"] == 3


def test_data_are_found_where_the_download_leaves_them(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    root, name = tmp_path / "DATA", "refcoco_val.json"
    unpacked = root / "rec_jsons_processed/rec_jsons_processed"
    unpacked.mkdir(parents=True)
    (root / "coco").mkdir()
    (data / name).rename(unpacked / name)
    for image in data.glob("*.png"):
        image.rename(root / "coco" / image.name)
    line = ("--model", "qwen2.5-vl", "--data-root", root, "--out", tmp_path / "out")
    assert bench(*line).exit_code == 0
    assert entry(tmp_path / "out")["acc"] == 1.0
    (root / "other").mkdir()
    (root / "other" / name).write_text("[]")
    assert "found no such file" in bench(*line, "--overwrite").stderr, "two of them: no guess"


def test_the_name_of_a_task_takes_rows_of_ones_own(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    line = ["rec", "--engine", "perfect", "--method", "baseline", "--model", "qwen2.5-vl"]
    options = [*line, "--out", str(out)]
    mine = (data / "refcoco_val.json").rename(data / "mine.json")
    result = CliRunner().invoke(app, [*options, "--data", str(mine)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = entry(out, "rec")
    assert (found["acc"], found["n"], found["references"]) == (1.0, 3, [])
    assert found["prompt"] == "rec-baseline"
    done = CliRunner().invoke(commands, ["rescore", str(out), "--out", str(tmp_path / "again")])
    assert done.exit_code == 0, done.output
    assert entry(tmp_path / "again", "rec")["acc"] == 1.0
    mine.write_text(mine.read_text().replace("[10, 20, 300, 480]", '"there"'))
    options[-1] = str(tmp_path / "skipped")
    refused = CliRunner().invoke(app, [*options, "--data", str(mine)])
    assert "--on-bad-gold skip" in refused.stderr
    line = [*options, "--data", str(mine), "--on-bad-gold", "skip"]
    assert CliRunner().invoke(app, line).exit_code == 0
    left = entry(tmp_path / "skipped", "rec")
    assert (left["n"], left["acc"]) == (2, 1.0)
    assert "1 rows of the data were skipped" in left["notes"]
    for more in ([], ["--data-root", str(data)]):
        bare = CliRunner().invoke(app, [*options, "--overwrite", *more])
        assert bare.exit_code == 2
        assert "whose rows are your own: name them with --data FILE" in bare.stderr


@pytest.mark.parametrize(
    ("family", "declared"), [("qwen2.5-vl", "norm1"), ("qwen2-vl", "original_px")]
)
def test_a_wrong_declared_frame_is_warned_about(
    engine: type[PerfectEngine], data: Path, tmp_path: Path, family: str, declared: str
) -> None:
    out = tmp_path / "out"
    result = bench("--model", family, "--data-root", data, "--out", out, "--frame", declared)
    assert result.exit_code == 0
    assert f"lie outside the declared frame {declared}" in result.output
    assert entry(out)["failures"]["out_of_frame"] >= 1


def test_a_second_run_asks_nothing_again(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    args = ("--model", "qwen2.5-vl", "--data-root", data, "--out", tmp_path / "out")
    bench(*args)
    assert engine.asked == 3
    bench(*args)
    assert engine.asked == 3


def test_controls_are_rows_beside_the_model(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    bench("--model", "qwen2.5-vl", "--data-root", data, "--out", out, "--controls")
    found = results(out)
    assert set(found) == {
        "refcoco_val",
        "refcoco_val@centre-box",
        "refcoco_val@whole-image",
        "refcoco_val@shuffled-images",
    }
    # By hand: IoU of the middle half of 640x428 with the first box is 0.33, of 333x500 with the
    # second 0.31, of 1000x90 with the third 0.24; the whole images give 0.47, 0.80 and 0.44.
    assert found["refcoco_val@centre-box"]["acc"] == 0
    assert found["refcoco_val@whole-image"]["acc"] == pytest.approx(1 / 3)


def test_a_run_with_controls_can_be_started_again_and_another_cannot_replace_it(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    """Its blind controls were taken for another run's, since nothing said whose they are."""
    out = tmp_path / "out"
    args = ("--data-root", data, "--out", out, "--controls")
    for _ in range(2):
        again = bench("--model", "qwen2.5-vl", *args)
        assert again.exit_code == 0, again.stderr
    found = results(out)
    assert {one["model"] for one in found.values()} == {"qwen2.5-vl"}
    other = bench("--model", "qwen2-vl", *args)
    assert other.exit_code == 2
    assert "holds another run (refcoco_val, refcoco_val@" in other.stderr


def test_unanswered_samples_are_counted_not_scored(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    engine.broken = frozenset("1")
    args = ("--model", "qwen2.5-vl", "--data-root", data, "--out", tmp_path / "out")
    result = bench(*args)
    assert result.exit_code == 3
    assert "1 of the first 2 of 3 samples have no answer" in result.stderr
    assert "http_500" in result.stderr
    assert not (tmp_path / "out" / "results.json").exists()
    result = bench(*args, "--max-error-rate", "0.5")
    assert result.exit_code == 0
    assert "WARNING: 1 of 3 samples have no answer" in result.output
    assert entry(tmp_path / "out")["n"] == 2
    assert entry(tmp_path / "out")["unanswered"] == 1
    engine.broken = frozenset()
    assert bench(*args).exit_code == 0
    assert entry(tmp_path / "out")["n"] == 3


def test_a_draw_of_more_than_there_are_is_said(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    args = ("--model", "qwen2.5-vl", "--data-root", data, "--sample-num")
    assert "all are taken" not in bench(*args, "3", "--out", tmp_path / "a").output
    result = bench(*args, "10", "--out", tmp_path / "b")
    assert "--sample-num 10: the data has 3 rows, and all are taken" in result.output
    assert entry(tmp_path / "b")["n"] == 3


def test_an_expectation_is_an_exit_code(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    args = ("--model", "qwen2.5-vl", "--data-root", data, "--out", tmp_path / "out")
    assert bench(*args, "--expect", "1.0+-0.01").exit_code == 0
    assert bench(*args, "--expect", "refcoco_val=0.99±0.02").exit_code == 0
    result = bench(*args, "--expect", "0.886+-0.02")
    assert result.exit_code == 1
    assert "expected an accuracy of 0.886 +- 0.02, got 1.0000" in result.stderr
    for text in ("0.9", "refcoco_testA=0.9+-0.1", "high"):
        result = bench(*args, "--expect", text)
        assert result.exit_code == 2
        assert "expected ACCURACY+-TOLERANCE" in result.stderr


def test_a_subset_shows_in_its_name(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    bench("--model", "qwen2.5-vl", "--data-root", data, "--out", out, "--sample-num", 2)
    found = entry(out, "refcoco_val[2@42]")
    assert (found["n"], found["sampling"]) == (2, "2@42")
    assert (out / "samples_refcoco_val-2@42.jsonl").is_file()


def test_lm_eval_files_have_its_keys(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    bench("--model", "qwen2.5-vl", "--data-root", data, "--out", out, "--format", "lm-eval")
    (results,) = (out / "lm-eval").glob("results_*.json")
    document = json.loads(results.read_text())
    assert document["results"]["refcoco_val"]["acc@0.5,none"] == 1.0
    assert document["results"]["refcoco_val"]["acc@0.5_stderr,none"] == 0.0
    assert document["n-samples"]["refcoco_val"] == {"original": 10834, "effective": 3}
    assert {"configs", "versions", "higher_is_better", "config", "date", "task_hashes"} <= set(
        document
    )
    (samples,) = (out / "lm-eval").glob("samples_refcoco_val_*.jsonl")
    row = json.loads(samples.read_text().splitlines()[0])
    assert {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "doc_hash",
            "prompt_hash", "target_hash", "acc@0.5"} <= set(row)  # fmt: skip


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--model", "m", "--family", "qwen2-vl"], "needs its data file 'refcoco_val.json'"),
        (["--model", "qwen2-vl", "--data-root", "nowhere"], "found no such file"),
        ([], "give a model to ask (--model NAME_OR_PATH)"),
        (
            ["--model", "qwen2-vl", "--sampling", "twice"],
            "'twice' is not one of 'per-dataset', 'chained'",
        ),
        (["--model", "qwen2-vl", "--format", "csv"], "'csv' is not one of 'lm-eval', 'inspect'"),
        (["--model", "qwen2-vl", "--temperature", "-1"], "Invalid value for '--temperature'"),
    ],
    ids=str,
)
def test_mistakes_name_the_remedy(
    engine: type[PerfectEngine], tmp_path: Path, args: list[str], message: str
) -> None:
    result = bench(*args, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert engine.asked == 0


def test_a_missing_image_is_an_error_and_may_be_skipped(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    (data / "1.png").unlink()
    args = ("--model", "qwen2.5-vl", "--data-root", data, "--out", tmp_path / "out")
    result = bench(*args)
    assert result.exit_code == 2
    assert "1.png" in result.stderr
    assert engine.asked == 0
    assert bench(*args, "--on-missing", "skip").exit_code == 0
    assert entry(tmp_path / "out")["n"] == 2
    assert any("1 rows of the data were skipped" in n for n in entry(tmp_path / "out")["notes"])


def test_an_unknown_engine_lists_those_there_are(data: Path, tmp_path: Path) -> None:
    options = RunOptions(
        suites=["refcoco_val"], model="m", engine="vlm", data_root=data, out=tmp_path / "out"
    )
    with pytest.raises(KeyError, match="unknown engine 'vlm'"):
        run_command(options)


def test_rescoring_a_run_needs_no_engine(
    engine: type[PerfectEngine], data: Path, tmp_path: Path
) -> None:
    from vlreward.cli import app as vlreward

    bench("--model", "qwen2.5-vl", "--data-root", data, "--out", tmp_path / "a")
    run = CliRunner().invoke(
        vlreward,
        ["rescore", str(tmp_path / "a"), "-o", str(tmp_path / "b"), "--protocol", "paddlemix"],
        catch_exceptions=False,
    )
    assert run.exit_code == 0, run.output
    assert engine.asked == 3
    found = entry(tmp_path / "b")
    assert (found["protocol"], found["acc"], found["rescored_from"]) == ("paddlemix", 1.0, "a")
    shown = CliRunner().invoke(vlreward, ["compare", str(tmp_path / "a"), str(tmp_path / "b")])
    assert shown.exit_code == 0
    assert "+0.00%" in shown.output
    assert "protocol differs: strict and paddlemix" in shown.output


def _page_images(page: Path) -> list[dict[str, Any]]:
    text = re.search(r'id="index">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert text is not None
    images: list[dict[str, Any]] = json.loads(text[1])["images"]
    return images


@pytest.mark.parametrize("root", ["coco", "coco/train2014"])
def test_the_page_shows_the_images_that_the_run_found(
    engine: type[PerfectEngine], data: Path, tmp_path: Path, root: str
) -> None:
    """The page did not know the image root, and looked for names by another rule."""
    from vlreward.cli import app as vlreward

    (data / "coco" / "train2014").mkdir(parents=True)
    rows = json.loads((data / "refcoco_val.json").read_text())
    for row in rows:
        (data / row["image"]).rename(data / "coco" / "train2014" / row["image"])
        row["image"] = f"train2014/{row['image']}"
    (data / "refcoco_val.json").write_text(json.dumps(rows))
    out = tmp_path / "runs" / "a"
    options = ("--data-root", data, "--image-root", data / root, "--out", out, "--html")
    assert bench("--model", "qwen2.5-vl", *options).exit_code == 0
    assert entry(out)["image_root"] == f"../../{root}"
    written = _page_images(out / "report.html")
    assert len(written) == 3
    assert all("i" in image for image in written)

    pages = {"remembered": [], "given": ["--image-root", str(data / root)]}
    for name, more in pages.items():
        page = tmp_path / f"{name}.html"
        done = CliRunner().invoke(vlreward, ["report", str(out), "--html", str(page), *more])
        assert done.exit_code == 0, done.output
        assert _page_images(page) == written
        assert str(tmp_path) not in page.read_text()
        assert f"../../{root}" not in page.read_text(), "a page for others names no directories"
    (tmp_path / "runs").rename(tmp_path / "moved")
    page = tmp_path / "moved.html"
    CliRunner().invoke(vlreward, ["report", str(tmp_path / "moved" / "a"), "--html", str(page)])
    assert _page_images(page) == written


def test_the_page_shows_the_images_of_recorded_completions(data: Path, tmp_path: Path) -> None:
    (data / "images").mkdir()
    (data / "0.png").rename(data / "images" / "0.png")
    row = {"image": "0.png", "gold": [0, 0, 9, 9], "completion": "<answer>[0, 0, 9, 9]</answer>"}
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row))
    options = ["-c", str(file), "--image-root", str(data / "images"), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["refcoco_val", *options, "--html"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert [image["name"] for image in _page_images(tmp_path / "out" / "report.html")] == ["0.png"]
    assert "i" in _page_images(tmp_path / "out" / "report.html")[0]
