"""The command line: dry runs, training, exact resumption, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

import numpy as np
from safetensors.numpy import load_file

from tests.backends.paddle.tiny import write_data, write_held_out
from vlreward.engines.torn import torn_file
from vlreward_paddle.cli import main
from vlreward_paddle.modeling import load_model
from vlreward_paddle.shim import launch_options

_ROOT = Path(__file__).resolve().parents[3]


def words(checkpoint: Path, rows: Path, **options: Any) -> list[str]:
    given = {
        "model": checkpoint,
        "data": rows,
        "image_root": rows.parent / "images",
        "output_dir": rows.parent / "out",
        "num_generations": 4,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "max_completion_length": 6,
        "max_steps": 2,
        "learning_rate": 1e-3,
        "save_strategy": "no",
        **options,
    }
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


@pytest.mark.parametrize("task", ["rec", "counting", "geometry"])
def test_a_dry_run_shows_what_would_be_trained(
    task: str, model: Path, tmp_path: Path, capsys: Any
) -> None:
    main([task, *words(model, write_data(tmp_path, task)), "--dry-run"])
    shown = capsys.readouterr().out
    for title in ("configuration", "data", f"prompt of {task}/1", "frame", "rewards", "memory"):
        assert f"# {title}" in shown
    assert f"{task}, perfect answer: 2 = " in shown
    assert f"{task}, empty answer: 0 = " in shown
    assert "<|vision_start|><|image_pad|><|vision_end|>" in shown
    assert "completions_per_step: 8" in shown
    assert not (tmp_path / "out").exists()


def test_training_writes_a_model_traces_and_checkpoints_that_resume(
    model: Path, tmp_path: Path, capsys: Any
) -> None:
    """Six steps and six more are twelve; with `--beta`, so that there are gradients."""
    data = write_data(tmp_path, "counting")
    shared = {
        "max_steps": 6,
        "save_strategy": "steps",
        "save_steps": 3,
        "save_total_limit": 4,
        "temperature": 0.5,
        "terms": "exact format",
    }
    argv = words(model, data, **shared)
    i = argv.index("exact format")
    argv[i : i + 1] = ["exact", "format"]
    main(["counting", *argv])
    out = tmp_path / "out"
    whole = load_file(out / "model.safetensors")
    before = load_file(model / "model.safetensors")
    assert any(np.abs(whole[name] - before[name]).max() > 0 for name in before)
    lines = [json.loads(line) for line in (out / "traces/rank-00000.jsonl").open()]
    assert len(lines) == 6 * 8
    assert [line["step"] for line in lines] == [step for step in range(6) for _ in range(8)]
    assert {"id", "task", "completion", "terms", "failure", "answer", "truncated"} <= set(lines[0])
    traced = (out / "traces/rank-00000.jsonl").read_bytes()

    shutil.rmtree(out / "checkpoint-6")
    (out / "run.json").unlink()  # which says that it is finished
    main(["counting", *argv, "--resume_from_checkpoint", "last"])
    again = load_file(out / "model.safetensors")
    for name, value in whole.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)
    assert (out / "traces/rank-00000.jsonl").read_bytes() == traced

    exported = load_file(out / "checkpoint-6/hf/model.safetensors")
    np.testing.assert_array_equal(
        exported["visual.merger.ln_q.weight"], whole["visual.merger.ln_q.weight"]
    )
    assert (out / "tokenizer.json").is_file()
    load_model(out / "checkpoint-3/hf")

    last = out / "checkpoint-6"
    for path in (*last.glob("optimizer-*"), *last.glob("*.pdparams"), last / "trainer_state.bin"):
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        assert path.name in str(torn_file(last))
        path.write_bytes(content)
    assert torn_file(last) is None
    resumed = ("counting", *argv, "--resume", str(last))
    assert "of an adapter, got a whole model" in failing(capsys, *resumed, "--use_peft")
    shutil.copyfile(last / "rng_state_0.pth", last / "rng_state_1.pth")
    assert "was left by 2 process(es), which 1 cannot load" in failing(capsys, *resumed)


def test_an_adapter_is_trained_evaluated_and_merged(
    model: Path, tmp_path: Path, capfd: Any
) -> None:
    """Resumed too: numbers, adapter and model are those of a run that was not interrupted."""
    data = write_data(tmp_path, "counting")
    held_out = write_held_out(tmp_path)
    argv = words(
        model,
        data,
        max_steps=4,
        save_strategy="steps",
        save_steps=2,
        save_total_limit=3,
        eval_data=held_out,
        use_peft="true",
        lora_r=2,
        learning_rate=1e-2,
        lora_dropout=0.1,
    )
    capfd.readouterr()
    main(["counting", *argv])
    out = tmp_path / "out"
    shown, log = capfd.readouterr()
    lines = shown.splitlines()
    command = f"measure it: vlreward-bench scenes_count_test --engine paddle --model {out}"
    assert lines[-1] == command
    assert sum(line.startswith("step ") for line in lines) == 4
    assert sum(line.startswith("evaluation at step ") for line in lines) == 3
    assert len(lines) < 14, "a line a step"
    assert len(log.splitlines()) < 6, "no dump of options"
    assert "reward while sampling" in (out / "README.md").read_text()

    state = json.loads((out / "trainer_state.json").read_text())
    trained = [row for row in state["log_history"] if "loss" in row]
    evaluated = [row for row in state["log_history"] if "eval_acc" in row]
    assert [row["step"] for row in trained] == [1, 2, 3, 4]
    assert [row["step"] for row in evaluated] == [0, 2, 4]
    assert evaluated[0]["eval_counting/acc"] == evaluated[0]["eval_acc"]
    assert max(row["grad_norm"] for row in trained) > 0
    assert [row["epoch"] for row in trained] == [0.25, 0.5, 0.75, 1]
    assert not any("per_second" in name for row in state["log_history"] for name in row)
    assert state["best_metric"] == max(row["eval_acc"] for row in evaluated[1:])
    traces = (out / "traces/rank-00000.jsonl").read_text().splitlines()
    modes = [json.loads(line)["mode"] for line in traces]
    assert (modes.count("train"), modes.count("eval")) == (32, 9)

    adapter = load_file(out / "adapter/adapter_model.safetensors")
    whole, before = (load_file(path / "model.safetensors") for path in (out, model))
    assert whole.keys() == before.keys()
    changed = {name for name in before if not np.array_equal(whole[name], before[name])}
    assert len(changed) == len(adapter) // 2
    load_model(out)
    saved = {path.relative_to(out / "checkpoint-4") for path in (out / "checkpoint-4").rglob("*")}
    assert not any("hf" in path.parts for path in saved)
    for name, value in load_file(out / "checkpoint-4/adapter/adapter_model.safetensors").items():
        np.testing.assert_array_equal(adapter[name], value, err_msg=name)

    shutil.rmtree(out / "checkpoint-4")
    (out / "run.json").write_text(
        (out / "run.json").read_text().replace('"finished": 4', '"finished": null')
    )
    main(["counting", *argv])
    for name, value in load_file(out / "adapter/adapter_model.safetensors").items():
        np.testing.assert_array_equal(adapter[name], value, err_msg=name)
    again = json.loads((out / "trainer_state.json").read_text())
    steps = [row["step"] for row in again["log_history"] if "loss" in row]
    assert steps == [1, 2, 3, 4]


def test_several_tasks_in_one_run(model: Path, tmp_path: Path) -> None:
    files = [write_data(tmp_path, task, 4) for task in ("rec", "counting", "geometry")]
    mixture = tmp_path / "mixture.yaml"
    mixture.write_text(
        "datasets:\n" + "".join(f"  - json_path: {f}\n    sampling_strategy: all\n" for f in files)
    )
    options = {"gradient_accumulation_steps": 4, "max_steps": 3, "report_to": "visualdl"}
    main(["mixture", *words(model, mixture, **options)])
    assert list((tmp_path / "out" / "runs").rglob("*.log")), "what visualdl shows"
    traces = (tmp_path / "out/traces/rank-00000.jsonl").read_text().splitlines()
    tasks = {json.loads(line)["task"] for line in traces}
    assert tasks == {"rec", "counting", "geometry"}


def test_a_run_writes_what_tensorboard_shows(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    data = write_data(tmp_path, "counting", 4)
    main(["counting", *words(model, data, max_steps=2, report_to="tensorboard")])
    assert list((tmp_path / "out" / "runs").rglob("events.out.tfevents*"))


def failing(capsys: Any, *argv: str) -> str:
    with pytest.raises(SystemExit) as exit_info:
        main(list(argv))
    assert exit_info.value.code == 2
    text: str = capsys.readouterr().err
    return text


def test_a_missing_image_is_named_with_file_and_row(
    model: Path, tmp_path: Path, capsys: Any
) -> None:
    data = write_data(tmp_path, "counting")
    (tmp_path / "images" / "counting2.png").unlink()
    text = failing(capsys, "counting", *words(model, data))
    assert "expected every image to exist, got 1 missing" in text
    assert "counting.jsonl" in text
    assert "row 3" in text


def test_a_truncated_image_is_found_before_the_first_step(
    model: Path, tmp_path: Path, capsys: Any
) -> None:
    data = write_data(tmp_path, "rec")
    image = tmp_path / "images" / "rec1.png"
    image.write_bytes(image.read_bytes()[:60])
    text = failing(capsys, "rec", *words(model, data))
    assert "expected readable images, got 1 bad among" in text
    assert "row 2" in text


def test_a_bad_gold_is_named_with_file_and_row(model: Path, tmp_path: Path, capsys: Any) -> None:
    data = write_data(tmp_path, "counting")
    lines = data.read_text().splitlines()
    lines[4] = lines[4].replace('"ground_truth": 4', '"ground_truth": -1')
    data.write_text("\n".join(lines))
    text = failing(capsys, "counting", *words(model, data))
    assert "line 5: gold: bad gold -1" in text
    assert "counting.jsonl" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "--temperature: expected more than 0, got 0.0"),
        ({"num_generations": 1}, "--num_generations: expected at least 2, got 1"),
        ({"loss_type": "ppo"}, "expected loss_type grpo, bnpo, dr_grpo, dapo, got 'ppo'"),
        ({"model": "/nowhere"}, "without config.json; download the model first"),
        ({"frame": "feet"}, "--frame: expected one of original_px"),
        ({"reward_weights": 1.0}, "--reward_weights: expected 2 numbers, for counting_exact"),
        ({"terms": "iou"}, "iou"),
        ({"lora_r": 4}, "--lora_r does nothing without --use_peft"),
        ({"eval_steps": 4}, "--eval_steps does nothing without --eval_data"),
        ({"device": "abacus"}, "--device: Paddle sees cpu here, got 'abacus'"),
        ({"sharding": "stage9"}, "--sharding: expected auto, stage1, stage2 or '' for none"),
        ({"report_to": "paper"}, "--report_to: expected some of none, all, visualdl"),
        ({"max_completion_length": 500}, "at most 512 tokens together, got 8 longer ones: leave"),
        ({"num_generations": 3}, "to be a multiple of --num_generations 3, got 8"),
        ({"resume_from_checkpoint": "none"}, "expected auto or the directory of a checkpoint"),
    ],
)
def test_bad_options_end_in_one_message(
    options: dict[str, Any], message: str, model: Path, tmp_path: Path, capsys: Any
) -> None:
    data = write_data(tmp_path, "counting")
    text = failing(capsys, "counting", *words(model, data, **options))
    assert message in text
    assert "Traceback" not in text


def test_a_yaml_file_stands_between_recipe_and_command_line(
    model: Path, tmp_path: Path, capsys: Any
) -> None:
    data = write_data(tmp_path, "counting")
    (tmp_path / "c.yaml").write_text("epsilon: 0.3\nmax_steps: 7\nlearning-rate: 1e-3\n")
    main(["counting", *words(model, data), "--config", str(tmp_path / "c.yaml"), "--dry-run"])
    shown = capsys.readouterr().out
    assert "epsilon: 0.3" in shown
    assert "max_steps: 2" in shown
    assert "learning_rate: 0.001" in shown, "1e-3 is a text to YAML"
    (tmp_path / "c.yaml").write_text("epsilom: 0.3\n")
    text = failing(capsys, "counting", *words(model, data), "--config", str(tmp_path / "c.yaml"))
    assert "unknown option --epsilom (did you mean --epsilon" in text


def test_launch_options_of_both_libraries() -> None:
    given = {"tensor_parallel_degree": 1, "sharding_parallel_degree": 8, "recompute": True}
    own = launch_options({**given, "bf16": True}, "paddleformers")
    assert own["tensor_model_parallel_size"] == 1
    assert own["sharding_parallel_size"] == 8
    assert own["recompute_granularity"] == "full"
    assert own["amp_master_grad"]
    assert own["sharding"] == ""
    other = launch_options(
        {"sharding_parallel_size": 8, "gradient_checkpointing": True}, "paddlenlp"
    )
    assert other["sharding_parallel_degree"] == 8
    assert other["recompute"]
    assert not other["amp_master_grad"]
    assert other["unified_checkpoint"]


@pytest.mark.parametrize("name", ["rec", "counting", "geometry"])
def test_the_scripts_say_what_they_would_do(name: str, model: Path, tmp_path: Path) -> None:
    data = write_data(tmp_path, name)
    environment = {
        **os.environ,
        "MODEL": str(model),
        "DATA": str(data),
        "IMAGE_ROOT": str(tmp_path / "images"),
        "OUTPUT_DIR": str(tmp_path / "out"),
        "PYTHON": sys.executable,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": f"{_ROOT}:{_ROOT}/backends/paddle",
        "NUM_GENERATIONS": "4",
    }
    script = _ROOT / f"backends/paddle/scripts/run_grpo_{name}.sh"
    done = subprocess.run(
        ["bash", str(script), "--dry-run", "--max_completion_length", "256"],
        env={**environment, "GPUS": "2", "BATCH_SIZE": "8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    size, steps = (8, 2) if name == "rec" else (4, 4)
    assert f"per_device_train_batch_size: {size}" in done.stdout
    assert f"gradient_accumulation_steps: {steps}" in done.stdout
    assert "500 steps of 8 questions" in done.stdout
    assert "ddp, 2 process(es)" in done.stdout
    assert "sharding: ''\n" in done.stdout, "none on CPUs"
    refused = subprocess.run(
        ["bash", str(script)],
        env={**environment, "GPUS": "3"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 2
    assert "must be a multiple of PER_DEVICE_BATCH_SIZE * GPUS * NODES" in refused.stderr


def test_rows_of_several_images_are_trained_on_and_evaluated(model: Path, tmp_path: Path) -> None:
    write_data(tmp_path, "counting")
    rows = [
        {
            "images": [f"images/counting{(i + j) % 8}.png" for j in range(1 + i % 3)],
            "problem": "<image>" * (1 + i % 3) + "how many",
            "answer": str(i % 6),
        }
        for i in range(10)
    ]
    data = tmp_path / "several.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    more = {"image_root": tmp_path, "val_split_ratio": 0.2, "eval_strategy": "steps"}
    main(["counting", *words(model, data, **more)])
    lines = [json.loads(line) for line in (tmp_path / "out/traces/rank-00000.jsonl").open()]
    held = {line["id"] for line in lines if line.get("mode") == "eval"}
    trained = {line["id"] for line in lines} - held
    assert len(held) == 2
    assert trained
    assert not held & trained
