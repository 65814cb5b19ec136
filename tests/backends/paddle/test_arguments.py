"""Options: those of the original and of the libraries, and what cannot be done here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

from tests.backends.paddle.tiny import write_data, write_held_out
from vlreward.errors import OptionError
from vlreward_paddle.arguments import parse
from vlreward_paddle.cli import main
from vlreward_paddle.config import GRPOConfig
from vlreward_paddle.shim import check_options, launch_options

_ROOT = Path(__file__).resolve().parents[3]
_BASE = ("counting", "--data", "rows.jsonl")


def parsed(*words: str) -> Any:
    return parse([*_BASE, "--model", "m", *words])


def test_names_of_the_original_and_of_trl_are_understood() -> None:
    options = parse(
        [
            *(*_BASE, "--model_name_or_path", "some/where", "--dataset_train_split", "train"),
            *("--tensor_parallel_degree", "1", "--pipeline_parallel_degree", "1"),
            *("--sep_parallel_degree", "1", "--hybrid_parallel_topo_order", "pp_first"),
            *("--eval_strategy", "steps", "--recompute", "false", "--bf16", "False"),
        ]
    )
    assert options.arguments.model == "some/where"
    assert options.arguments.split == "train"
    assert options.training.evaluation_strategy.value == "steps"
    assert options.training.recompute_granularity is None, "the recipe's own is overruled"
    assert parsed().training.recompute_granularity == "full"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--max_prompt_length", "1024"], "bound the image by --max-pixels"),
        (["--dataset-name=x"], "say --data"),
        (["--reward_funcs", "accuracy", "format"], "say --terms"),
        (["--sync_ref_model", "true"], "never read"),
        (["--torch_dtype", "bfloat16"], "say --bf16 or --fp16"),
        (["--sharding", "stage2"], "use --sharding stage1, or none"),
        (["--sharding", "stage3"], "use stage2 or stage1"),
        (["--tensor_parallel_degree", "2"], "samples from whole models"),
        (["--pipeline_model_parallel_size", "4"], "samples from whole models"),
        (["--sep-parallel-degree", "2"], "samples from whole models"),
        (["--bf16", "true", "--fp16_opt_level", "O1"], "expected O2"),
        (["--bf16", "true"], "this machine's device does not compute bfloat16; leave it out"),
        (["--fp16", "true"], "needs a GPU, and Paddle sees none"),
        (["--attn_implementation", "flashmask"], "is for GPUs and half precision; add --bf16"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_way_out(words: list[str], answer: str) -> None:
    with pytest.raises(OptionError) as error:
        parsed(*words)
    assert answer in str(error.value)
    assert "\n" not in str(error.value)


def test_half_precision_where_the_card_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default bfloat16 on cards that compute it, float32 on those of before; there float16 is
    an option, and with either flashmask."""
    import paddle

    from vlreward_paddle import arguments

    class Config(SimpleNamespace):
        """Takes every option; the library's own would look for the card."""

    monkeypatch.setattr("vlreward_paddle.config.GRPOConfig", Config)
    parser = arguments._parser(GRPOConfig)
    monkeypatch.setattr(arguments, "_parser", lambda _: parser)
    monkeypatch.setattr(arguments, "_has_gpu", lambda: True)
    for can in (True, False):
        monkeypatch.setattr(paddle.amp, "is_bfloat16_supported", lambda can=can: can)
        assert parsed().training.bf16 is can
    assert parsed("--fp16", "true", "--attn_implementation", "flashmask").training.fp16
    with pytest.raises(OptionError, match="on a GPU use --fp16 true"):
        parsed("--bf16", "true")
    with pytest.raises(OptionError, match="for GPUs and half precision"):
        parsed("--attn_implementation", "flashmask")


def test_sharding_that_machines_can_do() -> None:
    """`auto` is stage2 on GPUs and nothing on CPUs; without master gradients stage1 does not split
    parameters, which ended the run in a message about an option that nobody gave."""
    assert parsed("--sharding", "auto", "--sharding_parallel_degree", "8").training.sharding == []
    for sharding in ("stage1", "stage2", ""):
        check_options(launch_options({"sharding": sharding, "bf16": True}), gpu=True)
    assert launch_options({"sharding": "stage1"})["split_param"] is False
    assert launch_options({"sharding": "stage1", "bf16": True})["split_param"] is True


def test_images_are_opened_by_threads_not_by_the_librarys_processes() -> None:
    training = parsed("--dataloader_num_workers", "5").training
    assert training.image_threads == 5
    assert training.dataloader_num_workers == 0


def test_the_counting_script_trains_on_two_cpus_as_it_is(model: Path, tmp_path: Path) -> None:
    data = write_data(tmp_path, "counting", 4)
    environment = {
        **os.environ,
        "GPUS": "2",
        "BATCH_SIZE": "4",
        "PER_DEVICE_BATCH_SIZE": "2",
        "NUM_GENERATIONS": "2",
        "MODEL": str(model),
        "DATA": str(data),
        "IMAGE_ROOT": str(tmp_path / "images"),
        "OUTPUT_DIR": str(tmp_path / "out"),
        "PYTHON": sys.executable,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    words = ["--max_steps", "2", "--max_completion_length", "6", "--max_pixels", "512"]
    words += ["--eval_data", str(write_held_out(tmp_path))]
    done = subprocess.run(
        ["bash", str(_ROOT / "backends/paddle/scripts/run_grpo_counting.sh"), *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    logs = "".join(path.read_text() for path in (tmp_path / "out").rglob("workerlog.*"))
    assert done.returncode == 0, (done.stdout + done.stderr + logs)[-3000:]
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert len(list((tmp_path / "out" / "traces").glob("rank-*.jsonl"))) == 2
    state = json.loads((tmp_path / "out" / "trainer_state.json").read_text())
    evaluated = [row["step"] for row in state["log_history"] if "eval_acc" in row]
    assert evaluated == [0, 2], "by both processes together, noted once"


def test_the_help_shows_what_is_this_projects(capsys: Any) -> None:
    """It had 1,069 lines; those of the library are behind another option."""
    main(["--help"])
    short = capsys.readouterr().out
    for words in (["--help_all"], ["counting", "--help_all"]):
        with pytest.raises(SystemExit) as left:
            parse(words)
        assert left.value.code == 0
        full = capsys.readouterr().out
        assert "--moe_router_bias_update_rate" in full
        assert "--model_name_or_path" in full
    assert "--data " in short
    assert "--lora_r " in short
    assert "--moe_router_bias_update_rate" not in short
    assert len(short.splitlines()) < 200
