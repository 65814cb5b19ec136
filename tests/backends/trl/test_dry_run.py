"""`--dry-run`, the size of a model, and the launch scripts."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from vlreward_trl.arguments import parse
from vlreward_trl.dry_run import describe, measure
from vlreward_trl.preparing import prepare


def test_it_says_what_would_be_trained(
    argv: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from vlreward_trl.cli import main

    main(argv("mixture", "qwen2.5-vl", "--dry-run", "--output_dir", tmp_path / "out"))
    text = capsys.readouterr().out
    parts = {
        part.splitlines()[0]: "\n".join(part.splitlines()[1:]) for part in text.split("# ")[1:]
    }
    configuration = yaml.safe_load(parts["configuration"].rpartition("(other")[0])
    assert configuration["task"] == "mixture"
    assert configuration["training"]["beta"] == 0.04
    assert configuration["training"]["max_steps"] == 1
    assert "<|vision_start|><|image_pad|><|vision_end|>" in parts["prompt of rec/1"]
    assert parts["prompt of rec/1"].rstrip().endswith("<|im_start|>assistant")
    assert "predicted coordinates are in input_px, within (0, 0, 112, 112)" in text
    for task, terms in (("rec", "iou 1"), ("counting", "exact 1"), ("geometry", "correct 1")):
        assert f"{task}, perfect answer: 2 = {terms}, format 1" in parts["rewards"]
        assert f"{task}, empty answer: 0 = " in parts["rewards"]
    assert "total" in parts["memory on each GPU, estimated"]
    # Nothing is trained and nothing written.
    assert not (tmp_path / "out").exists()


def test_each_family_has_its_frame(argv: Callable[..., list[str]]) -> None:
    for family, frame in (("qwen2-vl", "norm1000"), ("qwen2.5-vl", "input_px")):
        run = prepare(parse(argv("rec", family)))
        assert run.rows[0]["frame"] == run.rows.frames.frame_of(None) == frame
        assert describe(run).count(frame) >= 1


def test_parameters_are_counted_as_published(root: Path) -> None:
    """3.75 billion: the sum of the sizes in the checkpoint's safetensors files, 7.51 GB in bf16."""
    from transformers import Qwen2_5_VLConfig

    published = json.loads((root / "tests/cases/qwen2_5_vl_3b.json").read_text())["config"]
    size = measure(Qwen2_5_VLConfig(**published))
    assert size.parameters == 3_754_622_976
    assert size.vision == 668_684_288
    assert size.cache_per_token == 2 * 36 * 2 * 128
    # LoRA of rank 1: q, k, v, o, gate, up and down, in + out each.
    layer = 2 * (2048 + 2048) + 2 * (2048 + 256) + 3 * (2048 + 11_008)
    assert size.adapter == 36 * layer


@pytest.fixture
def launch(tmp_path: Path, root: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script with an `accelerate` that prints its arguments, and how long it would wait."""
    fake = tmp_path / "bin" / "accelerate"
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/sh\nprintf '%s\\n' \"$@\"\necho $TORCH_ELASTIC_SHUTDOWN_TIMEOUT >&2\n",
        encoding="utf-8",
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    bash = shutil.which("bash")
    assert bash is not None

    def run(script: str, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = root / "backends/trl/scripts" / script
        return subprocess.run(
            [bash, str(path), *more],
            env={"PATH": f"{fake.parent}:{os.environ['PATH']}", **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("task", ["rec", "counting", "geometry"])
@pytest.mark.parametrize("gpus", ["1", "4", "8"])
def test_scripts_share_the_batch_over_the_gpus(
    task: str, gpus: str, launch: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = launch(f"run_grpo_{task}.sh", "--use_peft", GPUS=gpus, BATCH_SIZE="16")
    assert done.returncode == 0, done.stderr
    words = done.stdout.splitlines()
    launcher, _, command = "\n".join(words).partition("\n-m\nvlreward_trl\n")
    assert f"--num_processes\n{gpus}" in launcher
    assert Path(words[words.index("--config_file") + 1]).name == "fsdp2.yaml"
    # The command that it launches is a good one, with the published batch.
    options = parse(command.splitlines())
    training = options.training
    assert options.task == task
    assert options.model.use_peft is True
    assert training.num_generations == 8
    assert (
        training.per_device_train_batch_size * training.gradient_accumulation_steps * int(gpus)
        == 16 * 8
    )


def test_scripts_refuse_what_does_not_divide_and_unknown_strategies(
    launch: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = launch("run_grpo_rec.sh", GPUS="3")
    assert (done.returncode, "must be a multiple" in done.stderr) == (2, True)
    for wrong in ("0", "x", "2.5"):
        done = launch("run_grpo_rec.sh", GPUS=wrong)
        said = f"error: expected GPUS to be a whole number from 1 on, got '{wrong}'\n"
        assert (done.returncode, done.stderr) == (2, said)
    for name, wrong in (("MASTER_PORT", "x"), ("NODE_RANK", "1"), ("NODE_RANK", "-1")):
        done = launch("run_grpo_rec.sh", **{name: wrong})
        assert (done.returncode, f"expected {name} to be" in done.stderr) == (2, True)
    done = launch("run_grpo_rec.sh", MASTER_PORT="0")  # accelerate looks for a free one
    assert "--main_process_port\n0\n" in done.stdout
    done = launch("run_grpo_rec.sh", STRATEGY="zero9")
    assert (done.returncode, "expected STRATEGY" in done.stderr) == (2, True)
    done = launch("run_grpo_counting.sh", STRATEGY="multi_node_fsdp2", NODES="2", NODE_RANK="1")
    assert "--num_processes\n16\n--num_machines\n2\n--machine_rank\n1" in done.stdout


def test_scripts_give_a_run_that_is_ended_time_to_save(
    launch: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """torchrun's 30 seconds are less than a step and a checkpoint of a model of real size."""
    assert launch("run_grpo_rec.sh").stderr == "600\n"
    done = launch("run_grpo_rec.sh", TORCH_ELASTIC_SHUTDOWN_TIMEOUT="90")
    assert done.stderr == "90\n"


@pytest.mark.parametrize("name", ["ddp", "fsdp2", "zero2", "zero3", "multi_node_fsdp2"])
def test_accelerate_reads_the_configurations(name: str, root: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(root / f"backends/trl/configs/{name}.yaml"))
    kind = {"ddp": "MULTI_GPU", "zero2": "DEEPSPEED", "zero3": "DEEPSPEED"}.get(name, "FSDP")
    assert config.distributed_type.value == kind
    assert config.mixed_precision == "bf16"
    if kind == "DEEPSPEED":
        assert config.deepspeed_config["zero_stage"] == int(name[-1])
    if kind == "FSDP":
        assert config.fsdp_config["fsdp_version"] == 2
        assert config.fsdp_config["fsdp_cpu_ram_efficient_loading"] is False
