"""Generation through TRL's colocated mode, with a sampler that expands prompts as vLLM does."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from trl.generation.vllm_generation import VLLMGeneration

from tests.tiny import PACKAGED
from vlreward.training.sampling import SamplerError
from vlreward_trl.arguments import parse
from vlreward_trl.generation import (
    ask_once,
    ban_image_tokens,
    image_tokens,
    mend_prompts,
    one_token_an_image,
    send_at_once,
)
from vlreward_trl.preparing import prepare
from vlreward_trl.training import build_trainer

from .fake_vllm import FakeLLM, colocate

DIFFERENCE = "sampling/sampling_logp_difference/mean"


def _trainer(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, FakeLLM]:
    run = prepare(parse(argv))
    # There is no vLLM here for TRL to start, but the ban must be that of vLLM.
    run.options.training.use_vllm = True
    ban_image_tokens(run.options.training, run.config)
    run.options.training.use_vllm = False
    monkeypatch.setattr("vlreward_trl.training.ban_image_tokens", lambda *args: None)
    monkeypatch.setattr("trl.trainer.grpo_trainer.GenerationConfig", lambda **kwargs: None)
    trainer = build_trainer(run)
    return trainer, colocate(trainer, monkeypatch)


def _half(scenes_data: Path, output: Path, *more: object) -> list[str]:
    return [
        *("counting", "--model", str(PACKAGED / "half")),
        *("--data", str(scenes_data / "counting.jsonl")),
        *("--image-root", str(scenes_data / "images"), "--output_dir", str(output)),
        *("--max_steps", "2", "--per_device_train_batch_size", "4", "--num_generations", "4"),
        *("--gradient_accumulation_steps", "1", "--max_completion_length", "8"),
        *("--learning_rate", "0", "--beta", "0", "--save_strategy", "no", "--disable_tqdm", "true"),
        *("--dataloader_num_workers", "0", *map(str, more)),
    ]


def test_mended_prompts_make_the_sampler_the_model(
    scenes_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs and traces say how far apart they are: float32's rounding."""
    trainer, llm = _trainer(_half(scenes_data, tmp_path), monkeypatch)
    mend_prompts(llm, trainer.model.config.image_token_id)
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert len(logs) == 2
    assert all(entry[DIFFERENCE] < 1e-4 for entry in logs)
    assert all(ids.count(trainer.model.config.image_token_id) == 1 for ids in llm.read)
    assert llm.banned == set(image_tokens(trainer.model.config))
    lines = (tmp_path / "traces/rank-00000.jsonl").read_text(encoding="utf-8").splitlines()
    traced = [json.loads(line)["logp_difference"] for line in lines]
    assert len(traced) == 2 * 4
    assert max(traced) < 1e-3


def test_a_corrupted_prompt_stops_the_run_after_two_steps(
    scenes_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRL 1.16 as it is: the image is expanded twice."""
    trainer, llm = _trainer(_half(scenes_data, tmp_path), monkeypatch)
    with pytest.raises(SamplerError, match=r"image tokens expanded twice") as error:
        trainer.train()
    assert trainer.state.global_step == 1
    assert "in 2 batches in a row" in str(error.value)
    assert llm.read[0].count(trainer.model.config.image_token_id) > 1
    lines = (tmp_path / "traces/rank-00000.jsonl").read_text(encoding="utf-8").splitlines()
    traced = [json.loads(line)["logp_difference"] for line in lines]
    assert sum(traced) / len(traced) > 0.1


def test_the_bound_is_an_option(
    scenes_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = _half(scenes_data, tmp_path, "--max_logp_difference", 0)
    trainer, _ = _trainer(argv, monkeypatch)
    trainer.train()
    assert trainer.state.log_history[0][DIFFERENCE] > 0.1


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen2.5-vl", "qwen3-vl"])
def test_prompts_of_every_family_are_as_vllm_wants_them(
    family: str, argv: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, llm = _trainer(argv("rec", family, "--output_dir", tmp_path), monkeypatch)
    llm.raw = True  # of this vocabulary, untrained, the banned tokens hold a seventh
    mend_prompts(llm, trainer.model.config.image_token_id)
    trainer.train()
    assert trainer.state.log_history[0][DIFFERENCE] < 1e-5
    assert {ids.count(trainer.model.config.image_token_id) for ids in llm.read} == {1}


def test_a_question_is_asked_once_and_answered_as_often_as_it_stood_there(
    scenes_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every completion still has the log-probabilities of its own question."""
    more = ("--per_device_train_batch_size", 8, "--max_steps", 1)
    trainer, llm = _trainer(_half(scenes_data, tmp_path, *more), monkeypatch)
    mend_prompts(llm, trainer.model.config.image_token_id)
    asked: list[int] = []
    generate = llm.generate

    def counting(prompts: Any, **kwargs: Any) -> Any:
        asked.append(len(prompts))
        return generate(prompts, **kwargs)

    monkeypatch.setattr(llm, "generate", counting)
    ask_once(llm)
    trainer.train()
    assert asked == [2]
    assert trainer.state.log_history[0][DIFFERENCE] < 1e-4


class _Several:
    """vLLM's answers: those of a prompt come together, in the order of their `index`."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], int]] = []
        self.texts: list[bool] = []

    def generate(self, prompts: Any, *, sampling_params: Any, use_tqdm: bool = True) -> Any:
        each = sampling_params if isinstance(sampling_params, list) else [sampling_params]
        each *= len(prompts) // len(each)
        self.asked = [(p["prompt_token_ids"], params.n) for p, params in zip(prompts, each)]
        self.texts = [getattr(params, "detokenize", True) for params in each]
        return [
            SimpleNamespace(
                prompt_token_ids=ids,
                outputs=[SimpleNamespace(index=i, token_ids=[*ids, i]) for i in range(n)],
            )
            for ids, n in self.asked
        ]


def test_equal_prompts_are_those_of_equal_tokens_and_images() -> None:
    """A group may be cut by a process's share of the batch; images come as copies."""
    red, blue = (Image.new("RGB", (4, 4), color) for color in ("red", "blue"))
    prompts = [
        *(_prompt([1], red.copy()) for _ in range(3)),
        _prompt([1], blue),
        _prompt([2], blue),
        _prompt([2], [blue.copy()]),
        {"prompt_token_ids": [2]},
        {"prompt_token_ids": [2], "multi_modal_data": {"image": blue}, "cache_salt": "one"},
        {"prompt_token_ids": [2], "multi_modal_data": {"image": blue, "audio": 1}},
    ]
    llm = _Several()
    ask_once(llm)
    params = SimpleNamespace(n=1, temperature=1.0, seed=None)
    found = llm.generate(prompts, sampling_params=params, use_tqdm=False)
    assert llm.asked == [([1], 3), ([1], 1), ([2], 2), ([2], 1), ([2], 1), ([2], 1)]
    assert params.n == 1
    assert [output.prompt_token_ids for output in found] == [p["prompt_token_ids"] for p in prompts]
    tokens = [[each.token_ids for each in output.outputs] for output in found]
    assert tokens[:6] == [[[1, 0]], [[1, 1]], [[1, 2]], [[1, 0]], [[2, 0]], [[2, 1]]]


@pytest.mark.parametrize(("stop", "texts"), [([], False), (["</answer>"], True)])
def test_texts_are_written_where_a_string_in_them_ends_a_completion(
    stop: list[str], texts: bool
) -> None:
    """vLLM says so itself: "stop strings are only supported when detokenize is True"."""
    llm = _Several()
    ask_once(llm)
    params = SimpleNamespace(n=1, temperature=1.0, stop=stop)
    llm.generate([_prompt([1], None)] * 2, sampling_params=params)
    assert (llm.asked, llm.texts) == ([([1], 2)], [texts])


@pytest.mark.parametrize(("n", "temperature"), [(2, 1.0), (1, 0.0)])
def test_what_vllm_has_its_own_rules_for_is_asked_as_it_is(n: int, temperature: float) -> None:
    """Greedy answers of an evaluation: vLLM refuses several of them."""
    llm = _Several()
    ask_once(llm)
    params = SimpleNamespace(n=n, temperature=temperature)
    llm.generate([_prompt([1], None)] * 2, sampling_params=params)
    assert llm.asked == [([1], n)] * 2


def test_answers_that_are_missing_are_an_error() -> None:
    llm = _Several()
    generate = llm.generate
    llm.generate = lambda *args, **kwargs: generate(*args, **kwargs)[1:]  # type: ignore[method-assign]
    ask_once(llm)
    with pytest.raises(ValueError, match="expected 3 completions of vLLM, got 1"):
        llm.generate(
            [_prompt([1], None), _prompt([1], None), _prompt([2], None)],
            sampling_params=SimpleNamespace(n=1, temperature=1.0),
        )


class _Loader:
    """vLLM's model: the weights of each call, by name."""

    def __init__(self) -> None:
        self.calls: list[dict[str, torch.Tensor]] = []

    def load_weights(self, weights: Any) -> None:
        self.calls.append({name: weight.clone() for name, weight in weights})


@pytest.mark.parametrize("sharded", [False, True])
def test_weights_are_sent_in_one_call(sharded: bool, tmp_path: Path) -> None:
    """Those that TRL sends one by one; sharded ones rounded before they are gathered."""
    torch.manual_seed(0)
    model: Any = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    loader, reset = _Loader(), []
    engine = SimpleNamespace(
        model_config=SimpleNamespace(dtype=torch.bfloat16),
        model_executor=SimpleNamespace(
            driver_worker=SimpleNamespace(model_runner=SimpleNamespace(model=loader))
        ),
    )
    generation = object.__new__(VLLMGeneration)
    vars(generation).update(
        model=model,
        mode="colocate",
        enable_sleep_mode=False,
        accelerator=SimpleNamespace(device="cpu", is_main_process=True),
        llm=SimpleNamespace(llm_engine=engine, reset_prefix_cache=lambda: reset.append(True)),
        _dist=SimpleNamespace(
            is_fsdp=sharded, fsdp_version=2, gather_params=lambda parameters: nullcontext()
        ),
    )
    expected = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    group = f"file://{tmp_path / 'group'}"
    if sharded:
        torch.distributed.init_process_group("gloo", init_method=group, rank=0, world_size=1)
    try:
        if sharded:
            fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        generation.sync_weights()
        assert len(loader.calls) == len(expected) == 4
        loader.calls.clear()
        send_at_once(generation)
        generation.sync_weights()
        generation.sync_weights()
    finally:
        if sharded:
            torch.distributed.destroy_process_group()
    assert len(loader.calls) == 2
    for sent in loader.calls:
        assert sent.keys() == expected.keys()
        for name, weight in sent.items():
            # vLLM rounds what is not of its dtype as torch does.
            assert weight.dtype == (torch.bfloat16 if sharded else torch.float32)
            assert torch.equal(weight.bfloat16(), expected[name].bfloat16())
    assert len(reset) == 3


class _Recorder:
    def __init__(self) -> None:
        self.prompts: list[Any] = []

    def generate(self, prompts: Any, **kwargs: Any) -> None:
        self.prompts += prompts


def _prompt(ids: list[int], images: Any) -> dict[str, Any]:
    return {"prompt_token_ids": ids, "multi_modal_data": {"image": images}}


def test_several_images_and_right_prompts() -> None:
    """Where TRL mends its prompts, nothing is left to mend."""
    llm = _Recorder()
    mend_prompts(llm, 9)
    llm.generate(
        [
            _prompt([1, 9, 9, 2, 1, 9, 9, 9, 2, 5], ["one", "two"]),
            _prompt([1, 9, 9, 2], "one"),
            right := _prompt([1, 9, 2, 5, 5], ["one"]),
            text := {"prompt_token_ids": [5, 5, 6]},
            "a text",
        ]
    )
    first, second, third, *others = llm.prompts
    assert first["prompt_token_ids"] == [1, 9, 2, 1, 9, 2, 5]
    assert second["prompt_token_ids"] == [1, 9, 2]
    assert third == right
    assert others == [text, "a text"]


def test_an_image_token_in_a_question_is_an_error() -> None:
    llm = _Recorder()
    mend_prompts(llm, 9)
    with pytest.raises(ValueError, match=r"each of its 1 images, got 2"):
        llm.generate([_prompt([1, 9, 9, 2, 5, 9, 5], "one")])


def test_runs_are_collapsed_and_nothing_else() -> None:
    assert one_token_an_image([], 9) == []
    assert one_token_an_image([9, 9, 5, 5, 9], 9) == [9, 5, 5, 9]


_CONFIG = SimpleNamespace(
    image_token_id=3, video_token_id=4, vision_start_token_id=1, vision_end_token_id=None
)


def test_bans_join_what_the_user_asks_for() -> None:
    training = SimpleNamespace(
        use_vllm=True, generation_kwargs={"seed": 1, "logit_bias": {"7": -5, "3": 2}}
    )
    ban_image_tokens(training, _CONFIG)
    wanted = {7: -5, 3: -100.0, 4: -100.0, 1: -100.0}
    assert training.generation_kwargs == {"seed": 1, "logit_bias": wanted}
    training = SimpleNamespace(use_vllm=False, generation_kwargs={"suppress_tokens": [8, 3]})
    ban_image_tokens(training, _CONFIG)
    assert training.generation_kwargs == {"suppress_tokens": [1, 3, 4, 8]}


def test_transformers_samples_no_token_of_an_image(
    argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    """All that a model would say is such tokens; without the ban its loss would raise."""
    run = prepare(
        parse(argv("rec", "qwen2.5-vl", "--output_dir", tmp_path, "--max_completion_length", 8))
    )
    trainer = build_trainer(run)
    banned = image_tokens(run.config)
    assert len(banned) == 4
    with torch.no_grad():
        bias = torch.zeros(run.config.get_text_config().vocab_size)
        bias[banned] = 1000.0
        trainer.model.lm_head.register_forward_hook(lambda module, args, out: out + bias)
    written: list[list[int]] = []
    real = trainer._calculate_rewards

    def rewards(inputs: Any, prompts: Any, completions: Any, ids: Any) -> Any:
        written.extend(ids)
        return real(inputs, prompts, completions, ids)

    trainer._calculate_rewards = rewards
    trainer.train()
    assert len(written) == 8
    assert not set(banned) & {token for ids in written for token in ids}


def test_bans_are_nothing_to_a_trained_model(scenes_data: Path, tmp_path: Path) -> None:
    """The sampler's probabilities leave the banned tokens out, the model's do not. What these hold
    is the difference that the ban makes: far within the bound of the guard."""
    run = prepare(parse(_half(scenes_data, tmp_path)))
    trainer = build_trainer(run)
    row = run.rows[0]
    inputs = run.processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image", "image": row["image"]},
                                      {"type": "text", "text": "How many?"}]}],
        add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    with torch.no_grad():
        free = trainer.model.generate(**inputs, max_new_tokens=16, do_sample=False)
        inputs["input_ids"] = free
        inputs["attention_mask"] = torch.ones_like(free)
        kinds = inputs["mm_token_type_ids"]
        inputs["mm_token_type_ids"] = torch.nn.functional.pad(
            kinds, (0, free.shape[1] - kinds.shape[1])
        )
        scores = trainer.model(**inputs).logits[0, kinds.shape[1] - 1 :].softmax(-1)
    held = scores[:, image_tokens(run.config)].sum(-1)
    assert (held.mean() < 2e-3, held.max() < 2e-2) == (True, True)
