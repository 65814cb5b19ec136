"""How a run asks: which words for which rows, in what order, and that nothing waits for a judge."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests.runs import results, write_rows
from vlreward.bench import command
from vlreward.bench.cli import app
from vlreward.bench.mixed import Prompts, Rules
from vlreward.bench.rescore import rescore
from vlreward.bench.runner import run_suite
from vlreward.engines.base import ENGINES, Engine, EngineConfig, Generation, Outcome, Request
from vlreward.prompts import PromptTemplate, get_prompt
from vlreward.tasks import get_task
from vlreward.types import Sample


class Noting(Engine):
    """Answers all alike, and notes what it was asked."""

    name = "noting"
    asked: list[Request]
    text = "<answer>B</answer>"

    def describe(self) -> dict[str, Any]:
        return self.shown()

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        for request in requests:
            self.asked.append(request)
            yield request.key, Generation(self.text)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> type[Noting]:
    fresh = type("Fresh", (Noting,), {"asked": []})
    monkeypatch.setitem(ENGINES._items, "noting", fresh)
    return fresh


def bench(*args: object) -> Result:
    words = ["--engine", "noting", *map(str, args)]
    return CliRunner().invoke(app, words, catch_exceptions=False)


VERSE = [
    {"sample_index": "1", "question_type": "multi-choice", "answer": "B", "image": "i.png",
     "question": "What is x?\nChoices:\nA:1\nB:2\nC:3\nD:4"},
    {"sample_index": "2", "question_type": "free-form", "answer": "12", "image": "i.png",
     "question": "How long is AB?"},
]  # fmt: skip


def test_rows_of_a_mixed_suite_are_asked_each_in_the_words_of_its_task(
    engine: type[Noting], tmp_path: Path
) -> None:
    """Expressions were asked for 'the letter of the right choice'."""
    words = ("mathverse_testmini", "--model", "m", "--data", write_rows(tmp_path / "v.json", VERSE))
    result = bench(*words, "--image-root", tmp_path, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    prompts = [get_task(name).prompt for name in ("choice", "geometry")]
    assert prompts[0].hash != prompts[1].hash
    for request, prompt in zip(engine.asked, prompts, strict=True):
        written = prompt.text.partition("{question}")
        text = request.messages[-1]["content"][-1]["text"]
        assert text.startswith(written[0])
        assert text.endswith(written[2])
    # With --prompt all are asked in the same words, which is another run.
    again = ("--image-root", tmp_path, "-o", tmp_path / "out", "--prompt", prompts[0].name)
    assert bench(*words, *again).exit_code == 2
    assert bench(*words, *again, "--overwrite").exit_code == 0
    texts = [request.messages[-1]["content"][-1]["text"] for request in engine.asked[2:]]
    assert all(text.endswith(prompts[0].text.partition("{question}")[2]) for text in texts)


def test_the_files_of_a_mixed_run_have_the_words_of_each_task(
    engine: type[Noting], tmp_path: Path
) -> None:
    """Rows of geometry stood in them as if they had been asked for the letter of a choice."""
    words = ("mathverse_testmini", "--model", "m", "--data", write_rows(tmp_path / "v.json", VERSE))
    out = tmp_path / "out"
    result = bench(*words, "--image-root", tmp_path, "-o", out, "--format", "lm-eval")
    assert result.exit_code == 0, result.output
    (log,) = (out / "lm-eval").rglob("samples_*.jsonl")
    rows = map(json.loads, log.read_text().splitlines())
    texts = [request.messages[-1]["content"][-1]["text"] for request in engine.asked]
    assert [row["arguments"]["gen_args_0"]["arg_0"] for row in rows] == texts
    prompts = {name: get_task(name).prompt for name in ("choice", "geometry")}
    assert f"for geometry {prompts['geometry'].name}" in " ".join(result.output.split())
    written = results(out)["mathverse_testmini"]
    for found in (written, rescore(out)[0].summary().model_dump()):
        parts = {task: (p["prompt"], p["prompt_hash"]) for task, p in found["by_task"].items()}
        assert parts == {task: (one.name, one.hash) for task, one in prompts.items()}
        assert found["prompt_hash"] == "+".join(one.hash for one in prompts.values())


def test_samples_of_one_image_are_asked_together_and_answered_in_their_order(
    tmp_path: Path,
) -> None:
    """RefCOCO's rows of an image lie apart: each was opened, resized and packed anew."""
    engine = type("Fresh", (Noting,), {"asked": []})(EngineConfig("m"))
    for name in "abc":
        Image.new("RGB", (8, 8), (ord(name), 0, 0)).save(tmp_path / f"{name}.png")
    gold = {"task": "counting", "count": 1}
    samples = [
        Sample(id=str(i), question=f"{i}?", gold=gold, image=str(tmp_path / f"{name}.png"))
        for i, name in enumerate("abcabca")
    ]
    completed = run_suite(
        samples, engine, tmp_path / "run.jsonl", prompts=Prompts(get_prompt("r1-v")), progress=False
    )
    assert [Path(str(r.image)).stem for r in engine.asked] == list("aaabbcc")
    assert [item.sample.id for item in completed] == [sample.id for sample in samples]


def test_several_answers_to_one_question_share_its_words(
    engine: type[Noting], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data set gives another object each time: every answer had its prompt written anew."""
    put: list[str] = []
    render = PromptTemplate.render

    def noted(template: PromptTemplate, sample: Sample) -> list[dict[str, Any]]:
        put.append(sample.id)
        return render(template, sample)

    monkeypatch.setattr(PromptTemplate, "render", noted)
    rows = [{"image": "i.png", "problem": f"{n}?", "solution": 3} for n in range(2)]
    file = write_rows(tmp_path / "rows.json", rows)
    words = ("superclevr_test200", "--model", "m", "--data", file)
    assert bench(*words, "--samples", 4, "--temperature", 1, "-o", tmp_path / "out").exit_code == 0
    assert (len(put), len(engine.asked)) == (2, 8)


@dataclass
class Slow:
    """A judge of counts that has to wait until so many questions were asked."""

    asked: list[Request]
    least: int

    def many(self, answers: Sequence[Any], samples: Sequence[Any]) -> list[Any]:
        end = time.monotonic() + 60
        while len(self.asked) < self.least:
            assert time.monotonic() < end, "the engine waits for scores"
            time.sleep(0.01)
        return list(answers)

    def quick(self, answers: Sequence[Any], samples: Sequence[Any]) -> list[Any]:
        return [None] * len(answers)


def test_the_engine_goes_on_to_the_next_suite_while_the_last_scores_are_computed(
    engine: type[Noting], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between suites it stood still until the slowest comparison of the first was done."""
    monkeypatch.setattr(engine, "text", "<answer>3</answer>")
    rules = command._rules

    def slow(*args: Any) -> Rules:
        found = rules(*args)
        return replace(found, spec=found.spec.model_copy(update={"judge": Slow(engine.asked, 4)}))

    monkeypatch.setattr(command, "_rules", slow)
    files: list[str] = []
    for suite in ("superclevr_test200", "countbenchqa"):
        rows = [{"image": "i.png", "problem": f"{suite} {n}?", "solution": 3} for n in range(2)]
        files += ["--data", str(write_rows(tmp_path / f"{suite}.json", rows))]
    words = ("superclevr_test200", "countbenchqa", "--model", "m", *files, "-o", tmp_path / "out")
    result = bench(*words)
    assert result.exit_code == 0, result.output
    assert len(engine.asked) == 4
    found = results(tmp_path / "out")
    assert [entry["acc"] for entry in found.values()] == [1.0, 1.0]


def test_a_prompt_of_families_that_write_otherwise_is_noted(
    engine: type[Noting], tmp_path: Path
) -> None:
    """`--prompt qwen3-vl` with Qwen2.5-VL: boxes of another frame, and no word of it."""
    row = {"image": "i.png", "problem": "Where?", "normal_caption": "it", "solution": [0, 0, 4, 4]}
    write_rows(tmp_path / "refcoco_val.json", [row])
    words = ("refcoco_val", "--model", "Qwen2.5-VL", "--data-root", tmp_path)
    warning = "WARNING: the prompt 'qwen3-vl' is that of families that write norm1000"
    assert warning in bench(*words, "--prompt", "qwen3-vl", "-o", tmp_path / "a").output
    for n, more in enumerate(
        (("--prompt", "qwen2.5-vl"), ("--prompt", "qwen3-vl", "--frame", "norm1000"), ())
    ):
        result = bench(*words, *more, "-o", tmp_path / str(n))
        assert (result.exit_code, "is that of families" in result.output) == (0, False)


def test_generated_suites_take_the_images_of_recorded_completions(tmp_path: Path) -> None:
    """'a suite that is generated has no use for --image-root', with completions of it."""
    row = {"id": "1", "gold": 3, "completion": "<answer>3</answer>", "image": "i.png"}
    Image.new("RGB", (8, 8)).save(tmp_path / "i.png")
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    words = ["scenes_count_test", "-c", "rows.jsonl", "--image-root", ".", "-o", "out", "--html"]
    runner = CliRunner()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        done = runner.invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert (tmp_path / "out" / "report.html").read_text().count("data:image/png") == 1
        live = ["scenes_count_test", "--model", "m", "--image-root", ".", "-o", "live"]
        assert "has no use for --image-root" in runner.invoke(app, live).stderr


@pytest.mark.parametrize("out", ["file", "file/below/it"])
def test_a_directory_that_cannot_be_is_told_before_the_run(
    engine: type[Noting], tmp_path: Path, out: str
) -> None:
    """'[Errno 20] Not a directory: 'file/results.json'', and for a run after all was answered."""
    (tmp_path / "file").touch()
    (tmp_path / "i.json").write_text("[]")
    result = bench(
        "superclevr_test200", "--model", "m", "--data", tmp_path / "i.json", "-o", tmp_path / out
    )
    assert result.exit_code == 2
    assert f"--out: expected a directory, got {str(tmp_path / out)!r}: " in result.stderr
    assert engine.asked == []


def test_the_catalogue_is_by_task_and_says_where_data_come_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    output = CliRunner().invoke(app, ["list"]).output
    tables = output.split("Suites of ")[1:]
    titles = [table.split()[0] for table in tables]
    assert len(set(titles)) == len(titles) > 5
    counting = tables[titles.index("counting")]
    assert "countbenchqa" in counting
    assert "refcoco_val" not in counting
    assert "`vlreward data fetch countbenchqa` from vikhyatk/CountBenchQA" in counting
    assert "generated, nothing to download" in counting


def test_help_names_what_a_newcomer_needs() -> None:
    text = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    for name in ("OPENAI_API_KEY", "Exit codes", "vlm-r1", "families", "--config", "demo"):
        assert name in text
