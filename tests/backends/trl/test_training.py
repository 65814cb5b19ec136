"""Runs in one process: families, LoRA, frozen vision, logs, checkpoints, saved models."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from vlreward.engines.torn import torn_file
from vlreward.errors import OptionError
from vlreward.geometry import Size
from vlreward.training.progress import Progress
from vlreward.training.resuming import StoppedError
from vlreward_trl.arguments import parse
from vlreward_trl.preparing import prepare
from vlreward_trl.training import build_trainer, save, train


def _train(argv: list[str]) -> Any:
    return train(prepare(parse(argv)))


def _logs(trainer: Any) -> list[dict[str, Any]]:
    return [entry for entry in trainer.state.log_history if "reward" in entry]


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen2.5-vl"])
def test_a_mixture_trains_and_saves_a_model_that_loads(
    family: str, argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Images of several sizes and all three tasks in one batch; every column in the logs."""
    trainer = _train(
        argv(
            "mixture",
            family,
            "--log_completions",
            output_dir=tmp_path,
            max_steps=2,
            per_device_train_batch_size=24,
        )
    )
    assert trainer.reward_func_names == [
        *("counting_exact", "counting_format", "geometry_correct", "geometry_format"),
        *("rec_iou", "rec_format"),
    ]
    for entry in _logs(trainer):
        assert {"frac_reward_zero_std", "completions/clipped_ratio", "kl"} <= set(entry)
        assert {f"rewards/{name}/mean" for name in trainer.reward_func_names} <= set(entry)
        assert {"answered/rec", "seconds/rec_reward"} & set(entry) or entry["answered/counting"]
    assert sorted(path.name for path in (tmp_path / "completions").iterdir()) == [
        "completions_00001.parquet",
        "completions_00002.parquet",
    ]
    traces = (tmp_path / "traces/rank-00000.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(traces) == 2 * 24
    assert {json.loads(line)["step"] for line in traces} == {0, 1}

    from transformers import AutoModelForImageTextToText

    from vlreward_trl.processing import load

    model, found = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    trained = trainer.model.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in model.state_dict().items())
    processor, resizing = load(str(tmp_path))
    assert processor.image_processor.size["longest_edge"] == resizing.max_pixels == 401_408
    settings = json.loads((tmp_path / "processor_config.json").read_text(encoding="utf-8"))
    assert settings["processor_class"] in ("Qwen2VLProcessor", "Qwen2_5_VLProcessor")


def test_the_benchmark_runs_a_trained_model_in_the_frame_of_its_training(
    argv: Callable[..., list[str]], scenes_data: Path, tmp_path: Path
) -> None:
    """Through the transformers engine of `vlreward-bench`."""
    from vlreward.engines.base import Request
    from vlreward.engines.config import EngineConfig
    from vlreward.engines.hf import HFEngine
    from vlreward.engines.values import Generation

    run = prepare(parse(argv("rec", "qwen2.5-vl", "--output_dir", tmp_path)))
    train(run)
    engine = HFEngine(EngineConfig(str(tmp_path), max_tokens=2))
    row, sample = run.rows[0], run.samples[0]
    request = Request(row["id"], row["prompt"], run.samples.image(sample))
    ((name, outcome),) = engine.generate([request])
    assert name == row["id"]
    assert isinstance(outcome, Generation)
    assert engine.input_size(Size(*row["image_size"])) == Size(*row["input_size"])
    engine.close()


def test_qwen3_vl_trains_in_its_own_frame(argv: Callable[..., list[str]], tmp_path: Path) -> None:
    run = prepare(parse(argv("rec", "qwen3-vl", "--output_dir", tmp_path)))
    assert (run.rows.frames.frame_of(None), run.resizing.factor) == ("norm1000", 32)
    assert {row["frame"] for row in run.rows[:3]} == {"norm1000"}
    assert len(_logs(train(run))) == 1


def test_rows_of_several_images_are_trained_on_and_evaluated(
    argv: Callable[..., list[str]], scenes_data: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in (scenes_data / "images").iterdir())[:16]
    rows = [
        {"images": names[i : i + 1 + i % 3], "problem": "<image>" * (1 + i % 3) + "How many?",
         "answer": "3"}
        for i in range(12)
    ]  # fmt: skip
    data = tmp_path / "several.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = ("--data", data, "--output_dir", tmp_path / "out", "--val_split_ratio", 0.2)
    run = prepare(parse(argv("counting", "qwen2.5-vl", *words, "--eval_strategy", "steps")))
    assert len(run.rows) == 10
    assert {len(row["images"]) for row in run.rows[:10]} == {1, 2, 3}
    for row in run.rows[:10]:
        parts = [part["type"] for part in row["prompt"][-1]["content"]]
        assert parts == ["image"] * len(row["images"]) + ["text"]
    assert len(_logs(train(run))) == 1


def test_geometry_freezes_the_vision_tower_and_nothing_else(
    argv: Callable[..., list[str]], tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    run = prepare(parse(argv("geometry", "qwen2.5-vl", "--output_dir", tmp_path, "--max_steps", 3)))
    before = load_file(checkpoint("qwen2.5-vl") / "model.safetensors")
    train(run)
    after = load_file(tmp_path / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not {name for name in changed if name.startswith("visual.")}


def test_lora_adapts_the_language_model_alone(
    argv: Callable[..., list[str]], tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    trainer = _train(
        argv("counting", "qwen2.5-vl", "--use_peft", "--output_dir", tmp_path, "--max_steps", 2)
    )
    trained = [n for n, p in trainer.model.named_parameters() if p.requires_grad]
    # Seven linear layers in each of two blocks, two matrices each.
    assert len(trained) == 2 * 7 * 2
    assert all("language_model" in name and "visual" not in name for name in trained)
    base = AutoModelForImageTextToText.from_pretrained(checkpoint("qwen2.5-vl"))
    loaded = PeftModel.from_pretrained(base, tmp_path).state_dict()
    for name, value in trainer.model.state_dict().items():
        if "lora_" in name:
            assert torch.equal(value, loaded[name])


def _resumed_equals_straight(argv: list[str], tmp_path: Path, weights: str, half: int) -> None:
    common = [
        *argv,
        "--save_strategy",
        "steps",
        "--save_steps",
        str(half),
        "--save_total_limit",
        "3",
        "--lr_scheduler_type",
        "constant",
    ]
    straight = _train([*common, "--output_dir", f"{tmp_path}/a", "--max_steps", str(2 * half)])
    resumed = [*common, "--output_dir", f"{tmp_path}/b"]
    _train([*resumed, "--max_steps", str(half)])
    second = _train([*resumed, "--max_steps", str(2 * half), "--resume_from_checkpoint", "last"])
    keys = ("step", "loss", "reward", "grad_norm", "kl", "num_tokens", "frac_reward_zero_std")
    assert [[e[k] for k in keys] for e in _logs(second)] == [
        [e[k] for k in keys] for e in _logs(straight)
    ]
    ours, theirs = (load_file(tmp_path / run / weights) for run in "ab")
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert any(e["grad_norm"] > 0 for e in _logs(second)[half:])
    traces = [(tmp_path / run / "traces/rank-00000.jsonl").read_bytes() for run in "ab"]
    assert traces[0] == traces[1]


def test_six_and_six_steps_are_twelve(argv: Callable[..., list[str]], tmp_path: Path) -> None:
    """Weights bit by bit, logs and traces; Trainer alone goes on from the base model here."""
    _resumed_equals_straight(
        argv("mixture", "qwen2.5-vl", "--gradient_accumulation_steps", 2),
        tmp_path,
        "model.safetensors",
        6,
    )


def test_adapters_resume_exactly_too(argv: Callable[..., list[str]], tmp_path: Path) -> None:
    _resumed_equals_straight(
        argv("rec", "qwen2-vl", "--use_peft"), tmp_path, "adapter_model.safetensors", 2
    )


def test_a_checkpoint_of_another_model_is_an_error(
    argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Not a warning after which training goes on from other weights."""
    from safetensors.torch import save_file

    from vlreward_trl.trainer import CheckpointError

    line = argv("counting", "qwen2.5-vl", output_dir=tmp_path, save_strategy="steps", save_steps=1)
    _train(line)
    path = tmp_path / "checkpoint-1" / "model.safetensors"
    weights = load_file(path)
    weights["other.weight"] = weights.pop("model.norm.weight")
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"missing_keys.*norm\.weight"):
        _train([*line, "--max_steps", "2", "--resume_from_checkpoint", "last"])


def test_files_of_torch_that_are_cut_short_are_known(tmp_path: Path) -> None:
    """By what torch itself writes: archives, older pickles, and the pieces of FSDP's models."""
    from torch.distributed import checkpoint as pieces

    state = {"a": torch.ones(300), "b": {"step": 3, "betas": (0.9, 0.99)}}
    torch.save(state, tmp_path / "optimizer.pt")
    torch.save(state, tmp_path / "older.pt", _use_new_zipfile_serialization=False)
    pieces.save(state, checkpoint_id=tmp_path / "pytorch_model_fsdp_0", no_dist=True)
    assert torn_file(tmp_path) is None
    for path in (tmp_path / "optimizer.pt", *(tmp_path / "pytorch_model_fsdp_0").iterdir()):
        whole = path.read_bytes()
        for left in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:left])
            assert path.name in str(torn_file(tmp_path))
        path.write_bytes(whole)
    assert torn_file(tmp_path) is None


def test_a_run_goes_on_from_the_last_whole_checkpoint(
    argv: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = argv("counting", "qwen2.5-vl", output_dir=tmp_path, save_strategy="steps", save_steps=1)
    _train([*line, "--max_steps", "2", "--save_total_limit", "2"])
    (tmp_path / "model.safetensors").unlink()  # as where the end was not reached
    optimizer = tmp_path / "checkpoint-2" / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:1000])
    with pytest.raises(
        OptionError, match=r"optimizer\.pt: its content does not end in its 1,000 b"
    ):
        _train([*line, "--max_steps", "3", "--resume_from_checkpoint", str(optimizer.parent)])
    run = prepare(parse([*line, "--max_steps", "3"]))
    assert run.start.checkpoint == str(tmp_path / "checkpoint-1")
    assert f"warning: no whole checkpoint: {optimizer}: " in run.start.text()
    assert train(run).state.global_step == 3
    assert (tmp_path / "earlier-1" / "checkpoint-2" / "optimizer.pt").is_file()


def test_the_reward_rises(argv: Callable[..., list[str]], tmp_path: Path) -> None:
    """An untrained model that answers by chance learns the format and what is often right."""
    trainer = _train(
        argv(
            "counting",
            "qwen2.5-vl",
            output_dir=tmp_path,
            max_steps=30,
            num_generations=8,
            per_device_train_batch_size=48,
            max_completion_length=1,
            learning_rate="1e-2",
        )
    )
    rewards = [entry["reward"] for entry in _logs(trainer)]
    assert sum(rewards[-5:]) > 2 * sum(rewards[:5])


def test_weights_of_the_command_line_reach_trainer_and_traces(
    argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    run = prepare(
        parse(
            argv(
                "counting",
                "qwen2.5-vl",
                "--terms",
                "soft",
                "format",
                weights="format=0.25",
                output_dir=tmp_path,
            )
        )
    )
    trainer = build_trainer(run)
    assert trainer.reward_func_names == ["counting_soft", "counting_format"]
    assert trainer.reward_weights.tolist() == [1.0, 0.25]
    assert run.terms[0].shared.reward.spec.terms[1].weight == 0.25
    ends = {*trainer.eos_token_ids, run.processor.tokenizer.pad_token_id}
    assert len(ends) > 1
    assert run.terms[0].shared.stop_ids == trainer.stop_ids == ends


def test_a_run_with_evaluation_and_rewards_of_one_s_own(
    argv: Callable[..., list[str]],
    scenes_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Evaluated greedily by the task's metrics, at the start and at each checkpoint; the end says
    what changed; the card is this model's."""
    (tmp_path / "own_rewards.py").write_text(
        "def brevity(completions, **columns):\n"
        "    return [0.25 if columns['task'][i] else None for i in range(len(completions))]\n"
    )
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    more = ["--report_to", "tensorboard"] if importlib.util.find_spec("tensorboard") else []
    words = argv(
        "counting",
        "qwen2.5-vl",
        *("--output_dir", out, "--max_steps", 2, "--save_strategy", "steps", "--save_steps", 1),
        *(
            "--eval_data",
            scenes_data / "counting_held_out.jsonl",
            "--per_device_eval_batch_size",
            8,
        ),
        *("--rewards", "own_rewards:brevity=0.5", "repetition_reward=0"),
        *("--early_stopping_patience", 9),
        *more,
    )
    trainer = _train(words)
    evaluated = [e for e in trainer.state.log_history if "eval_acc" in e]
    assert [entry["step"] for entry in evaluated] == [0, 1, 2]
    assert {"eval_counting/acc", "eval_counting/within_1", "eval_reward"} <= set(evaluated[0])
    assert trainer.state.best_model_checkpoint is not None
    assert trainer.args.load_best_model_at_end
    assert trainer.reward_func_names[2:] == ["brevity", "repetition_reward"]
    assert trainer.reward_weights.tolist() == [1, 1, 0.5, 0]
    assert all(entry["rewards/brevity/mean"] == 0.25 for entry in _logs(trainer))
    lines = (out / "traces/rank-00000.jsonl").read_text(encoding="utf-8").splitlines()
    modes = [json.loads(line)["mode"] for line in lines]
    assert (modes.count("eval"), modes.count("train")) == (3 * 7, 2 * 8)
    from vlreward.doctor.observations import read_observations

    assert len(read_observations(out / "traces")) == 2 * 8
    printed = capsys.readouterr().out
    assert "evaluation at step 0: acc " in printed
    assert f"measure it: vlreward-bench scenes_count_test --model {out}" in printed
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "`brevity` x 0.5" in card
    assert "time machine" not in card
    if more:
        assert list(out.rglob("events.out.tfevents.*"))
    # The same line again: nothing left to do, and nothing is touched.
    before = (out / "model.safetensors").stat().st_mtime_ns
    assert train(prepare(parse(words))) is None
    assert (out / "model.safetensors").stat().st_mtime_ns == before
    # And where the last step is lost, it is made again, its evaluation once.
    shutil.rmtree(out / "checkpoint-2", ignore_errors=True)
    (out / "run.json").unlink()
    again = train(prepare(parse(words)))
    steps = [e["step"] for e in again.state.log_history if "eval_acc" in e]
    assert steps == [0, 1, 2]
    lines = (out / "traces/rank-00000.jsonl").read_text(encoding="utf-8").splitlines()
    modes = [json.loads(line)["mode"] for line in lines]
    assert (modes.count("eval"), modes.count("train")) == (3 * 7, 2 * 8)


def test_evaluation_is_greedy_and_leaves_sampling_as_it_was(
    argv: Callable[..., list[str]], scenes_data: Path, tmp_path: Path
) -> None:
    words = argv("rec", "qwen2.5-vl", "--eval_data", scenes_data / "rec_held_out.jsonl")
    run = prepare(parse([*words, "--output_dir", str(tmp_path), "--temperature", "0.9"]))
    trainer = build_trainer(run)
    sampling = trainer.generation_config, trainer.generation_kwargs
    with trainer._greedily():
        assert trainer.generation_config.do_sample is False
        assert trainer.generation_kwargs["do_sample"] is False
    assert (trainer.generation_config, trainer.generation_kwargs) == sampling
    trainer.use_vllm, trainer.vllm_generation = (
        True,
        SimpleNamespace(temperature=0.9, top_p=0.95, top_k=50),
    )
    with trainer._greedily():
        assert trainer.vllm_generation.temperature == 0
    assert vars(trainer.vllm_generation) == {"temperature": 0.9, "top_p": 0.95, "top_k": 50}
    trainer.use_vllm = False
    first, second = trainer.evaluate(), trainer.evaluate()
    assert first["eval_rec/iou"] == second["eval_rec/iou"]


def test_rewards_callbacks_and_what_else_trl_takes(
    argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    """From Python: a callback sees the steps, and a reward of one's own has its weight."""
    seen: list[int] = []

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            seen.append(state.global_step)

    def even(completions: list[Any], **columns: Any) -> list[float]:
        return [float(i % 2) for i in range(len(completions))]

    run = prepare(parse(argv("counting", "qwen2.5-vl", "--output_dir", tmp_path, "--max_steps", 2)))
    even.weight = 0.25  # type: ignore[attr-defined]
    trainer = build_trainer(run, rewards=[even], callbacks=[Watch()], optimizers=(None, None))
    trainer.train()
    assert seen == [1, 2]
    assert trainer.reward_weights.tolist() == [1, 1, 0.25]


def test_the_same_line_again_keeps_what_an_earlier_run_wrote(
    argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    """It emptied the traces and deleted the checkpoints; now another run is refused, and one that
    begins anew on request puts them aside."""
    words = argv("counting", "qwen2.5-vl", "--output_dir", tmp_path)
    saving = ["--save_strategy", "steps", "--save_steps", "1", "--save_total_limit", "1"]
    _train([*words, *saving])
    kept = (tmp_path / "traces/rank-00000.jsonl").read_bytes()
    other = [*words, *saving, "--learning_rate", "1e-3"]
    with pytest.raises(OptionError, match=r"other settings: learning_rate 0\.01 -> 0\.001"):
        prepare(parse(other))
    _train([*other, "--overwrite_output_dir"])
    aside = tmp_path / "earlier-1"
    assert (aside / "traces/rank-00000.jsonl").read_bytes() == kept
    assert (aside / "checkpoint-1/optimizer.pt").is_file()
    assert (tmp_path / "checkpoint-1/optimizer.pt").is_file()


def test_the_workers_of_a_run_end_with_it_and_no_sooner(
    argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    """A launcher's SIGTERM took those of a run that wanted to save a checkpoint first; a run that
    failed then waited for one that had to wait for its image."""
    words = argv("counting", "qwen2.5-vl", "--output_dir", tmp_path)
    run = prepare(parse([*words, "--dataloader_num_workers", "1"]))
    before = set(multiprocessing.active_children())
    batches = iter(build_trainer(run).get_train_dataloader())
    next(batches)
    (worker,) = set(multiprocessing.active_children()) - before
    subprocess.run(["kill", "-TERM", str(worker.pid)], check=True)
    worker.join(0.5)
    assert worker.is_alive()
    worker.terminate()
    worker.join(5)
    assert not worker.is_alive()


def _terminated_after(step: int) -> Callable[..., None]:
    def on_log(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return on_log


def test_a_run_that_was_told_to_end_goes_on(
    argv: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM with `--enable_jit_checkpoint`: the same command said that all was done."""
    words = argv("counting", "qwen2.5-vl", "--output_dir", tmp_path, "--max_steps", 4)
    words += ["--save_strategy", "steps", "--save_steps", "100", "--enable_jit_checkpoint"]
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "on_log", _terminated_after(1))
        with pytest.raises(StoppedError, match="stopped at step 2 of 4: the same command goes on"):
            _train(words)
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (tmp_path / "model.safetensors").exists()
    run = prepare(parse(words))
    assert (run.start.step, run.start.finished) == (2, False)
    assert train(run).state.global_step == 4


def test_a_run_that_was_killed_after_its_last_step_is_saved_as_it_was(
    argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    """It was trained for one step more than it has, at no learning rate that was meant."""
    words = argv("counting", "qwen2.5-vl", "--output_dir", tmp_path, "--max_steps", 2)
    words += ["--save_strategy", "steps", "--save_steps", "1"]
    _train(words)
    saved = load_file(tmp_path / "model.safetensors")
    traces = (tmp_path / "traces/rank-00000.jsonl").read_bytes()
    for name in ("run.json", "model.safetensors"):
        (tmp_path / name).unlink()
    trainer = _train(words)
    assert trainer.state.global_step == 2
    again = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(saved[name], again[name]) for name in saved)
    assert (tmp_path / "traces/rank-00000.jsonl").read_bytes() == traces
    assert prepare(parse(words)).start.finished


def test_what_the_trainer_refuses_is_one_message(
    argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    """A library's error says what is wrong with an option; it was a traceback."""
    words = argv("counting", "qwen2.5-vl", "--use_peft", "--lora_target_modules", "no_such")
    out = ("--output_dir", str(tmp_path))
    with pytest.raises(OptionError, match=r"cannot be built: Target modules .*no_such.* not found"):
        _train([*words, *out])
    with pytest.raises(OptionError, match=r"cannot be built: You passed `sync_ref_model=True` whi"):
        _train([*argv("counting", "qwen2.5-vl", "--use_peft", "--sync_ref_model"), *out])
    words = argv("counting", "qwen2.5-vl", *out)
    with pytest.raises(OptionError, match=r"--lr_scheduler_type cosine_with_min_lr: One of min_lr"):
        _train([*words, "--lr_scheduler_type", "cosine_with_min_lr"])
    with pytest.raises(OptionError, match="--weights: expected one that is not 0, got none"):
        _train([*words, "--weights", "exact=0", "format=0"])


def test_one_name_of_a_layer_is_a_name(argv: Callable[..., list[str]]) -> None:
    """To TRL a single one is a pattern that whole names must fit, which no name of a layer does."""
    words = argv("counting", "qwen2.5-vl", "--use_peft", "--lora_target_modules")
    assert prepare(parse([*words, "q_proj"])).options.model.lora_target_modules == ["q_proj"]
    assert prepare(parse([*words, "all-linear"])).options.model.lora_target_modules == "all-linear"


def test_a_broken_package_that_trl_imports_is_one_message(
    argv: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a vLLM for another torch: TRL says so in a RuntimeError, whoever wants vLLM or not."""

    def broken(*args: Any, **kwargs: Any) -> Any:
        code = "raise RuntimeError('Failed to import: undefined symbol') from ImportError()"
        exec(code, {"__name__": "trl._lazy_module"})

    run = prepare(parse(argv("counting", "qwen2.5-vl", "--output_dir", tmp_path)))
    monkeypatch.setattr("vlreward_trl.training.build_trainer", broken)
    with pytest.raises(OptionError, match="cannot be built: Failed to import: undefined symbol"):
        train(run)


def test_an_adapter_does_not_go_on_with_a_model(
    argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    """torch said that the sizes of parameter groups differ."""
    words = argv("counting", "qwen2.5-vl", "--output_dir", tmp_path)
    saving = ["--save_strategy", "steps", "--save_steps", "1"]
    _train([*words, *saving])
    with pytest.raises(OptionError, match="other settings: lora_r None -> 16"):
        prepare(parse([*words, *saving, "--use_peft"]))


def test_a_whole_model_is_saved_where_checkpoints_are_shards() -> None:
    """With accelerate's plug-in; the trainer notes what it would see when it saves."""
    from accelerate import FullyShardedDataParallelPlugin

    plugin = FullyShardedDataParallelPlugin(fsdp_version=2, state_dict_type="SHARDED_STATE_DICT")
    assert "SHARDED" in str(plugin.state_dict_type)
    seen: list[str] = []
    trainer = SimpleNamespace(
        is_fsdp_enabled=True,
        accelerator=SimpleNamespace(state=SimpleNamespace(fsdp_plugin=plugin)),
        args=SimpleNamespace(output_dir="out"),
        save_model=lambda path: seen.append(f"{path} {plugin.state_dict_type}"),
        create_model_card=lambda: None,
        save_state=lambda: seen.append("state"),
    )
    save(trainer)
    assert seen == [f"out {plugin.state_dict_type}", "state"]
    assert "FULL_STATE_DICT" in seen[0]
