"""The files of `--format`, read by the programs whose formats they are."""

from __future__ import annotations

import json
import zipfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest

from tests.runs import results
from vlreward.bench.command import run_command
from vlreward.bench.inspect_log import inspect_rows
from vlreward.bench.options import RunOptions
from vlreward.data.errors import DataError

SUITES = ("refcoco_val", "superclevr_test200", "geoqa_test")


def _run(out: Path, style: Any, *, repeat: int = 1) -> Path:
    """Score the packaged completions, `repeat` answers to each question."""
    with as_file(files("vlreward.bench") / "demo_data") as folder:
        completions = []
        for suite in SUITES:
            rows = (folder / f"{suite}.jsonl").read_text(encoding="utf-8").splitlines()
            asked = [json.loads(row) for row in rows]
            for number, row in enumerate(asked):
                row["id"] = f"{suite}/{number}"
            asked[0]["completion"] = "half of a pair: \ud83d <answer>"
            lines = [json.dumps(row) for row in asked for _ in range(repeat)]
            completions.append(out.parent / f"{suite}.jsonl")
            completions[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
        run_command(RunOptions(suites=list(SUITES), out=out, completions=completions, format=style))
    return Path(out, style)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip(
        "lm_eval", reason="lm-evaluation-harness is not installed (session formats)"
    )
    return _run(tmp_path_factory.mktemp("lm") / "out", "lm-eval")


def _documents(folder: Path) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """The results and the samples by task, found as the harness's scripts find them."""
    from lm_eval import utils

    names = [str(path) for path in folder.iterdir()]
    latest = utils.get_latest_filename(utils.get_results_filenames(names))
    results = json.loads(Path(latest).read_text(encoding="utf-8"))
    samples = {}
    for name in utils.get_sample_results_filenames(names):
        lines = Path(name).read_text(encoding="utf-8").splitlines()
        samples[utils.get_file_task_name(Path(name).name)] = [json.loads(line) for line in lines]
    assert samples
    assert set(samples) == set(results["configs"])
    return results, samples


def test_files_are_what_its_schema_says(harness: Path) -> None:
    from lm_eval.result_schema import EvalResults, SampleResult
    from pydantic import TypeAdapter

    results, samples = _documents(harness)
    # Its own configurations and checkouts without git are not what the schema says of them.
    known = {key: value for key, value in results.items() if key not in ("configs", "git_hash")}
    TypeAdapter(EvalResults).validate_python(known)
    rows = TypeAdapter(list[SampleResult])
    for found in samples.values():
        rows.validate_python(found)


def test_its_wandb_logger_takes_them(harness: Path, tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed (session formats)")
    from lm_eval.loggers import WandbLogger

    results, samples = _documents(harness)
    for rows in samples.values():  # it runs before the harness names arguments for its files
        for row in rows:
            row["arguments"] = [list(given.values()) for given in row["arguments"].values()]
    logger = WandbLogger({"mode": "disabled", "dir": str(tmp_path)})
    logger.post_init(results)
    logger.log_eval_result()
    logger.log_eval_samples(samples)
    assert logger.wandb_results["superclevr_test200/mae"] >= 0
    table = logger._generate_dataset(samples["refcoco_val"], results["configs"]["refcoco_val"])
    assert len(table) == len(samples["refcoco_val"])
    assert table["data"].str.len().min() > 20, "the prompt"
    assert table["acc@0.5"].mean() == pytest.approx(
        results["results"]["refcoco_val"]["acc@0.5,none"]
    )
    wandb.finish()


def test_its_zeno_script_finds_what_it_reads(harness: Path) -> None:
    """The script is in the harness's repository alone: these are the keys that it looks up."""
    results, samples = _documents(harness)
    assert results["config"]["model_args"] == "model=recorded"
    for task, config in results["configs"].items():
        assert config["output_type"] == "generate_until"
        assert not config.get("filter_list")
        metrics = [m["metric"] for m in config["metric_list"] if m.get("aggregation") == "mean"]
        assert metrics
        for row in samples[task]:
            assert isinstance(row["arguments"]["gen_args_0"]["arg_0"], str)
            assert isinstance(row["filtered_resps"][0], str)
            assert isinstance(row["target"], str)
            assert isinstance(row["doc_id"], int)
            assert all(isinstance(row[name], (int, float)) for name in metrics)


def test_its_table_shows_them(harness: Path) -> None:
    from lm_eval.utils import make_table

    table = make_table(_documents(harness)[0])
    assert "|refcoco_val" in table
    assert "within_1" in table


def test_datasets_loads_the_samples(harness: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    for path in harness.glob("samples_*.jsonl"):
        assert len(datasets.Dataset.from_list(_documents(harness)[1]["geoqa_test"])) == 40
        assert path.stat().st_size > 0


@pytest.mark.parametrize("repeat", [1, 3])
def test_inspect_reads_its_logs(tmp_path: Path, repeat: int) -> None:
    log = pytest.importorskip("inspect_ai.log", reason="inspect_ai is not installed")
    folder = _run(tmp_path / "out", "inspect", repeat=repeat)
    summary = results(tmp_path / "out")
    listed = {log.read_eval_log(info, header_only=True).eval.task: info
              for info in log.list_eval_logs(str(folder))}  # fmt: skip
    assert set(listed) == set(SUITES)
    for suite, info in listed.items():
        found, ours = log.read_eval_log(info), summary[suite]
        assert found.status == "success"
        assert found.eval.dataset.samples == 40
        assert found.eval.config.epochs == repeat
        assert len(found.samples) == ours["n"] == 40 * repeat
        scores = {score.name: score for score in found.results.scores}
        assert scores[ours["primary"]].metrics["mean"].value == pytest.approx(ours["acc"])
        for name, mean in ours["metrics"].items():
            values = [s.scores[name].as_float() for s in found.samples if name in s.scores]
            assert sum(values) / len(values) == pytest.approx(mean)
        if repeat > 1:
            assert scores[ours["primary"]].metrics["pass_at_3"].value == pytest.approx(
                ours["attempts"]["pass_at"]["3"]
            )
        whole = log.read_eval_log_sample(info, id=f"{suite}/7", epoch=repeat)
        assert whole.output.completion == whole.messages[-1].text
        first = log.read_eval_log_sample(info, id=f"{suite}/0", epoch=1)
        assert first.output.completion == "half of a pair: ? <answer>"
        assert any(score.explanation for score in first.scores.values()), "why it failed"
        assert len(log.read_eval_log_sample_summaries(info)) == 40 * repeat


def test_a_damaged_log_is_an_error_where_inspect_is_imported(tmp_path: Path) -> None:
    """It has Python's own zipfile read Zstandard, whose errors were not expected."""
    pytest.importorskip("inspect_ai.log", reason="inspect_ai is not installed")
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", 93) as archive:
        archive.writestr("samples/1_epoch_1.json", "{}")
    path.write_bytes(path.read_bytes().replace(b"\x28\xb5\x2f\xfd", bytes(4)))
    with pytest.raises(DataError, match="expected an inspect log"):
        inspect_rows(path)


def test_inspect_bundles_its_viewer_with_the_logs(tmp_path: Path) -> None:
    """What `inspect view` serves, laid out as files."""
    log = pytest.importorskip("inspect_ai.log", reason="inspect_ai is not installed")
    folder = _run(tmp_path / "out", "inspect")
    log.bundle_log_dir(str(folder), str(tmp_path / "site"))
    listing = json.loads((tmp_path / "site" / "logs" / "listing.json").read_text())
    assert {entry["task"] for entry in listing.values()} == set(SUITES)


@pytest.mark.filterwarnings("default")  # what it asks of pandas
def test_inspect_makes_tables_of_them(tmp_path: Path) -> None:
    analysis = pytest.importorskip("inspect_ai.analysis", reason="inspect_ai is not installed")
    folder = _run(tmp_path / "out", "inspect")
    table = analysis.samples_df(str(folder))
    assert len(table) == 120
