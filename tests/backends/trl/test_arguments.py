"""The command line: every option of TRL, the published defaults, YAML, errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from accelerate.utils import DistributedType

from vlreward.errors import OptionError, UserError
from vlreward_trl.arguments import parse


def _parse(task: str, *more: str) -> object:
    return parse([task, "--model", "m", "--data", "d", "--output_dir", "none", *more])


@pytest.mark.parametrize(
    ("task", "completion", "max_pixels", "frozen"),
    [
        ("rec", 256, None, False),
        ("counting", 512, 401_408, False),
        ("geometry", 512, 401_408, True),
        ("mixture", 512, 401_408, False),
    ],
)
def test_defaults_are_those_of_the_published_scripts(
    task: str, completion: int, max_pixels: int | None, frozen: bool
) -> None:
    """PaddleMIX r1_mllm/scripts/run_grpo_{rec,counting,geometry}.sh."""
    options = parse([task, "--model", "m", "--data", "d"])
    training = options.training
    assert training.max_steps == 500
    assert training.num_generations == 8
    assert training.max_completion_length == completion
    assert training.beta == 0.04
    assert training.learning_rate == 1e-6
    assert training.save_steps == 100
    assert training.save_total_limit == 1
    assert training.logging_steps == 1
    assert training.gradient_checkpointing is True
    # 16 questions of 8 completions each in one step.
    assert training.generation_batch_size == 16 * 8
    assert options.arguments.max_pixels == max_pixels
    assert options.arguments.freeze_vision is frozen
    assert training.output_dir == f"outputs/grpo-{task}"


def test_bf16_only_where_the_hardware_has_it() -> None:
    import torch

    assert _parse("rec").training.bf16 is torch.cuda.is_available()  # type: ignore[attr-defined]


def test_every_option_of_trl_is_an_option_here() -> None:
    """Compared with what TRL's own classes declare, not with a list of ours."""
    from trl import GRPOConfig, ModelConfig

    options = _parse("rec")
    for made, declared in (
        (options.training, GRPOConfig),  # type: ignore[attr-defined]
        (options.model, ModelConfig),  # type: ignore[attr-defined]
    ):
        assert isinstance(made, declared)
    given = _parse(
        *("rec", "--epsilon_high", "0.28", "--loss_type", "dr_grpo", "--report_to", "none"),
        *("--use_peft", "--lora_r", "4", "--attn_implementation", "sdpa", "--log_completions"),
        *("--temperature", "0.7", "--top_entropy_quantile", "0.2"),
    )
    training, model = given.training, given.model  # type: ignore[attr-defined]
    assert (training.epsilon_high, training.loss_type) == (0.28, "dr_grpo")
    assert (training.temperature, training.top_entropy_quantile) == (0.7, 0.2)
    assert training.log_completions is True
    assert (model.use_peft, model.lora_r, model.attn_implementation) == (True, 4, "sdpa")
    parsed = {f.name for f in dataclasses.fields(GRPOConfig) if f.init}
    assert {"use_vllm", "vllm_mode", "deepspeed", "fsdp", "resume_from_checkpoint"} <= parsed


@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_vllm_is_passed_through(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlreward_trl.arguments.find_spec", lambda name: name)
    training = _parse(  # type: ignore[attr-defined]
        "rec", "--use_vllm", "--vllm_mode", mode, "--vllm_server_base_url", "http://host:8000"
    ).training
    assert training.use_vllm is True
    assert training.vllm_mode == mode
    assert training.vllm_server_base_url == "http://host:8000"


def test_yaml_lies_between_the_recipe_and_the_command_line(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        "model: from-yaml\nbeta: 0.001\nmax_steps: 7\nterms: [giou, format]\nmax_pixels: 100352\n",
        encoding="utf-8",
    )
    options = parse(["counting", f"--config={config}", "--data", "d", "--max_steps", "9"])
    assert options.model.model_name_or_path == "from-yaml"
    assert (options.training.beta, options.training.max_steps) == (0.001, 9)
    assert options.arguments.terms == ["giou", "format"]
    assert options.arguments.max_pixels == 100_352
    assert options.training.max_completion_length == 512


def test_the_packaged_option_file_parses(root: Path) -> None:
    options = parse(["rec", "--config", str(root / "backends/trl/configs/rec.yaml"), "--data", "d"])
    assert options.model.model_name_or_path == "Qwen/Qwen2.5-VL-3B-Instruct"
    assert options.training.report_to == [], "nothing that the extra does not install"


def test_loss_sampling_and_length_are_what_was_asked_for() -> None:
    """TRL's own defaults are another loss and all tokens; a count of epochs counted for nothing."""
    training = _parse("rec").training  # type: ignore[attr-defined]
    assert (training.loss_type, training.top_k) == ("grpo", 50)
    epochs = _parse("rec", "--num_train_epochs", "2").training  # type: ignore[attr-defined]
    assert (epochs.num_train_epochs, epochs.max_steps) == (2, -1)
    both = _parse("rec", "--num_train_epochs", "2", "--max_steps", "7")
    assert both.training.max_steps == 7  # type: ignore[attr-defined]


def test_a_default_that_the_library_no_longer_takes_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was passed over: the run would have had the library's default instead."""
    from vlreward.training.recipes import defaults

    def more(task: str, **options: object) -> dict[str, object]:
        return {**defaults(task), "gone_option": 1}

    monkeypatch.setattr("vlreward_trl.arguments.defaults", more)
    with pytest.raises(OptionError, match=r"takes --gone_option, which the recipe of 'rec' sets"):
        _parse("rec")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--eval_strategy", "steps"), "give --eval_data too"),
        (("--eval_data", "d", "--eval_strategy", "no"), "--eval_data is never evaluated"),
        (("--early_stopping_patience", "2"), "expected --eval_data to tell when to stop"),
        (("--rewards", "json:nothing"), "--rewards json:nothing: module 'json' has no attribute"),
        (("--rewards", "brevity"), "unknown reward 'brevity'"),
        (("--per_device_train_batch_size", "64"), "expected at least 16 rows"),
    ],
)
def test_what_would_do_nothing_or_fail_later_is_refused(
    argv: Callable[..., list[str]], more: tuple[str, ...], message: str
) -> None:
    from vlreward_trl.preparing import prepare

    with pytest.raises(Exception, match=message) as caught:
        prepare(parse(argv("rec", "qwen2.5-vl", *more)))
    assert isinstance(caught.value, UserError)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--max_stepz", "3"), r"unknown option --max_stepz \(did you mean --max_steps"),
        (("--max_stepz", "-1"), r"unknown option --max_stepz \([^,]*\); --help_all"),
        (("--protocl=vlm-r1",), r"unknown option --protocl \(did you mean --protocol\?\)"),
        (("--report_to", "wandb"), "--report_to wandb needs its package: pip install wandb"),
        (("--report_to", "wand"), "--report_to: expected some of .*wandb; got 'wand'"),
        (("--use_vllm",), r"--use_vllm needs its package: pip install 'vlreward\[trl,vllm\]'"),
        (("--use_liger_kernel",), "--use_liger_kernel needs its package"),
        (("--loss_type", "dpo"), "--loss_type: TRL .* knows no 'dpo'"),
        (("--scale_rewards", "false"), "--scale_rewards: TRL .* knows no 'false'"),
        (("--temperature", "0"), "--temperature: expected more than 0, got 0.0"),
        (("--lora_r", "8"), "--lora_r does nothing without --use_peft"),
        (("--vllm_mode", "server"), "--vllm_mode does nothing without --use_vllm"),
        (("--eval_steps", "5"), "--eval_steps does nothing without --eval_data"),
        (("--attn_implementation", "flash_attention_2"), "needs the package flash-attn"),
        (("--freeze_vision", "false", "--use_peft"), "an adapter leaves the vision tower as it is"),
        (
            ("--load_best_model_at_end", "--save_strategy", "no"),
            "--load_best_model_at_end does nothing without --eval_data",
        ),
        (("--importance_sampling_level", "word"), "--importance_sampling_level: TRL .* knows no"),
        (
            ("--torch_compile_mode", "fast"),
            "--torch_compile_mode: expected one of default, .*'fast'",
        ),
        (("--remove_unused_columns",), "--remove_unused_columns true: rows are made when they are"),
        (("--generation_kwargs", "[]"), r"--generation_kwargs: expected a JSON object, got '\[\]'"),
        (("--chat_template_kwargs", "[]"), r"--chat_template_kwargs: expected a JSON object"),
        (("--generation_kwargs", '{"min_tokens": 1}'), "that transformers knows .* got min_tokens"),
        (("--chat_template_kwargs", '{"tokenize": 1}'), "that are not set here, got tokenize"),
    ],
)
def test_what_would_fail_after_the_model_is_loaded_is_said_before(
    more: tuple[str, ...], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        _parse("rec", *more)


def test_checkpoints_of_a_model_spread_in_another_way_are_foreign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A traceback; or, of DeepSpeed's, a run that went on with a fresh optimizer."""
    plain = {"*model_fsdp*", "global_step*"}
    found: list[Any] = [_parse("rec"), _parse("rec", "--fsdp", "full_shard")]
    assert plain < set(found[0].foreign)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    for options in found:  # one process shards nothing, and refused its own checkpoints
        assert plain < set(options.foreign)
    for options in found:
        options.training.distributed_state = SimpleNamespace(
            distributed_type=DistributedType.MULTI_GPU
        )
        assert {"optimizer.pt", "global_step*"} < set(options.foreign)
        assert "*model_fsdp*" not in options.foreign
    monkeypatch.delenv("ACCELERATE_USE_FSDP")
    assert ["optimizer.pt" in options.foreign for options in found] == [False, True]


def test_a_package_that_an_option_needs_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers looks for deepspeed when its options are read."""

    def read(*args: object) -> None:
        raise ImportError("deepspeed is not there")

    monkeypatch.setattr("transformers.HfArgumentParser.parse_dict", read)
    with pytest.raises(OptionError, match=r"^deepspeed is not there$"):
        _parse("rec", "--deepspeed", "zero.json")


def test_a_sampler_that_nobody_would_watch_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound was there, and nothing to hold against it."""
    monkeypatch.setattr("vlreward_trl.arguments.find_spec", lambda name: name)
    unwatched = ("--use_vllm", "--vllm_importance_sampling_correction", "false")
    with pytest.raises(OptionError, match=r"correction false: .* say --max_logp_difference 0 too"):
        _parse("rec", *unwatched)
    _parse("rec", *unwatched, "--max_logp_difference", "0")


def test_switches_are_switches() -> None:
    """`--freeze_vision` alone was an error, while other booleans are flags."""
    assert _parse("rec", "--freeze_vision").arguments.freeze_vision is True  # type: ignore[attr-defined]
    frozen = _parse("geometry", "--freeze_vision", "false")
    assert frozen.arguments.freeze_vision is False  # type: ignore[attr-defined]


def test_help_is_a_page_of_these_options(capsys: pytest.CaptureFixture[str]) -> None:
    """It was 1,192 lines of TRL's; those are there with --help_all, with the recipe's defaults."""
    from vlreward_trl.cli import main

    for words in ([], ["rec"]):
        main([*words, "--help"])
        shown = capsys.readouterr().out
        assert len(shown.splitlines()) < 250
        assert "--early_stopping_patience" in shown
        assert "--resample_groups" in shown
        assert "  rec: iou format; also " in shown
        assert "vlm-r1" in shown
        assert "--prompt: " in shown
    with pytest.raises(SystemExit) as stopped:
        parse(["geometry", "--help_all"])
    assert stopped.value.code == 0
    every = capsys.readouterr().out
    assert "--epsilon_high" in every
    assert "default: 500" in every, "the recipe's max_steps"


def test_unknown_yaml_keys_are_named(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("max_stepz: 7\n", encoding="utf-8")
    with pytest.raises(OptionError, match="max_stepz"):
        parse(["rec", "--model", "m", "--data", "d", "--config", str(config)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_steps: two", "argument --max_steps.*: invalid int value: 'two'"),
        ("max_steps: 1.5", "argument --max_steps.*: invalid int value: '1.5'"),
        ("seed: true", "argument --seed: invalid int value: 'True'"),
        ("bf16: nope", "argument --bf16: Truthy value expected"),
        ("temperature: [1]", r"expected one number as temperature, got \[1\]"),
        ("temperature: 0", "--temperature: expected more than 0"),
    ],
)
def test_a_bad_value_in_a_file_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    """It was a traceback, or the first step's."""
    config = tmp_path / "run.yaml"
    config.write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=message):
        _parse("rec", "--config", str(config))


def test_lists_in_a_file_are_lists(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("terms: iou\nweights: [iou=2]\nreward_weights: [1, 2]\nreport_to: [none]\n")
    options = _parse("rec", "--config", str(config))
    assert (options.arguments.terms, options.arguments.weights) == (["iou"], ["iou=2"])  # type: ignore[attr-defined]
    assert options.training.reward_weights == [1.0, 2.0]  # type: ignore[attr-defined]


def test_json_that_is_none_is_said_with_its_option() -> None:
    with pytest.raises(OptionError, match="--generation_kwargs: expected JSON: Expecting"):
        _parse("rec", "--generation_kwargs", "{bad")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["rek", "--model", "m", "--data", "d"], "mixture; got 'rek'"),
        (["--model", "m"], "expected a task first"),
        (["rec", "--data", "d"], "expected --model"),
        (["rec", "--model", "m"], "--data"),
        (["rec", "--model", "m", "--data", "d", "--check_images", "some"], "invalid choice"),
    ],
)
def test_wrong_command_lines_end_with_a_message(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(argv)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_dashes_and_underscores_are_the_same() -> None:
    options = _parse("rec", "--image-root", "x", "--dry-run", "--no-traces", "--max-steps", "3")
    assert options.arguments.image_root == "x"  # type: ignore[attr-defined]
    assert options.arguments.dry_run is True  # type: ignore[attr-defined]
    assert options.arguments.traces is False  # type: ignore[attr-defined]
    assert options.training.max_steps == 3  # type: ignore[attr-defined]


def test_other_errors_of_the_command_line_are_one_message(
    argv: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from vlreward_trl.cli import main

    for more, message in (
        (("--frame", "norm7"), "expected one of original_px"),
        (("--terms", "iuo"), "did you mean 'iou'"),
        (("--terms", "counting.exact"), "expected TASK.TERM with a task of the data, rec"),
        (("--weights", "iou"), "expected TERM=NUMBER"),
        (("--reward_weights", "1"), "expected 2 numbers, for rec_iou, rec_format"),
        (("--prompt", "rec-r2"), "did you mean 'rec-r1'"),
        (("--max_pixels", "100"), "expected 784 <= min_pixels <= max_pixels"),
        (("--data", str(tmp_path / "none.json")), "no file or directory"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(argv("rec", "qwen2.5-vl", *more, "--dry-run"))
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err


def test_a_launcher_whose_processes_do_not_find_each_other_is_an_error(
    argv: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`accelerate launch --cpu --num_processes 2` starts processes that each train alone."""
    from vlreward_trl.preparing import prepare

    options = parse(argv("rec", "qwen2.5-vl"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OptionError, match="expected 2 processes, as many as the launcher started"):
        prepare(options)


@pytest.mark.parametrize(
    ("more", "environment", "refused"),
    [
        ((), {}, True),
        (("--beta", "0"), {}, False),
        (("--use_peft",), {}, False),
        ((), {"FSDP_CPU_RAM_EFFICIENT_LOADING": "false"}, False),
        ((), {"FSDP_VERSION": "1"}, False),
        ((), {"ACCELERATE_USE_FSDP": "false"}, False),
    ],
)
def test_a_reference_model_that_fsdp2_would_leave_empty_is_refused(
    argv: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
    environment: dict[str, str],
    refused: bool,
) -> None:
    from vlreward_trl.preparing import prepare

    options = parse(argv("rec", "qwen2.5-vl", *more))
    launched = {
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
    }
    for name, value in (launched | environment).items():
        monkeypatch.setenv(name, value)
    if refused:
        with pytest.raises(OptionError, match="fsdp_cpu_ram_efficient_loading: false"):
            prepare(options)
    else:
        prepare(options)
