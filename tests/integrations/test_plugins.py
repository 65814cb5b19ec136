"""Each trainer's call, re-created from its source, on the shims for it.

The tests with the trainers themselves are in `trainers/`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from vlreward.integrations import PLUGINS, plugin_path
from vlreward.registry import UnknownNameError

THINK = "<think>There it is.</think>"
REC = json.dumps(
    {
        "vlreward": 1,
        "gold": {"task": "rec", "box": [0, 0, 10, 10]},
        "frame": "original_px",
        "image_size": [64, 48],
    }
)
COUNT = '{"vlreward":1,"gold":{"task":"counting","count":4}}'
BOX_TEXT = THINK + '<answer>{"bbox_2d": [0, 0, 10, 20]}</answer>'
COUNT_TEXT = THINK + "<answer>4</answer>"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("VLREWARD_"):
            monkeypatch.delenv(name)


def load(path: Path, name: str) -> ModuleType:
    """As EasyR1 and OpenRLHF load a file."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("trainer", PLUGINS)
def test_files_exist_and_hide_no_module(trainer: str) -> None:
    path = plugin_path(trainer)
    assert path.is_absolute()
    assert path.is_file()
    # ms-swift puts the directory first on sys.path.
    assert all(file.name.startswith("vlreward_") for file in path.parent.glob("*.py"))


def test_unknown_trainer_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match=r"'easyr2'; did you mean 'easyr1'\?.*openrlhf"):
        plugin_path("easyr2")


@pytest.mark.parametrize("trainer", ["easyr1", "openrlhf"])
def test_files_load_from_another_directory_without_any_framework(
    trainer: str, tmp_path: Path, root: Path
) -> None:
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('f', {str(plugin_path(trainer))!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "bad = {'torch', 'transformers', 'verl', 'swift', 'openrlhf', 'starlette', 'sympy'}\n"
        "assert not bad & set(sys.modules), bad & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", code]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, timeout=120)


@pytest.mark.parametrize("trainer", ["easyr1", "openrlhf"])
def test_bad_environment_fails_when_the_file_is_loaded(
    trainer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLREWARD_FRAME", "pixels")
    with pytest.raises(ValueError, match="VLREWARD_FRAME: expected one of original_px"):
        load(plugin_path(trainer), "custom_reward_fn")


# --- EasyR1 2026-07, verl/workers/reward/function.py: BatchFunctionRewardManager ----------------


def call_easyr1(responses: list[str], golds: list[Any], **kwargs: Any) -> Any:
    from functools import partial

    module = load(plugin_path("easyr1"), "custom_reward_fn")
    assert module.REWARD_TYPE == "batch"
    reward = partial(module.compute_score, **kwargs)
    rows = [
        {"response": r, "response_length": len(r), "ground_truth": g}
        for r, g in zip(responses, golds)
    ]
    return reward(rows)


def test_easyr1_mixture_has_constant_numeric_keys() -> None:
    import numpy as np

    scores = call_easyr1([BOX_TEXT, COUNT_TEXT + "<|im_end|>", "no"], [REC, COUNT, COUNT])
    assert [s["overall"] for s in scores] == [1.5, 2.0, 0.0]
    assert all(list(s) == list(scores[0]) for s in scores)
    for key in scores[0]:
        assert np.isfinite(np.mean([s[key] for s in scores]))


def test_easyr1_options_and_bare_golds() -> None:
    (score,) = call_easyr1(["<answer>4</answer>"], ["4"], task="counting", weights={"exact": 2.0})
    assert score["overall"] == 2.0


# --- OpenRLHF 0.11.2, openrlhf/utils/agent.py: SingleTurnAgentExecutor --------------------------

PROMPT = (
    "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>How many?<|im_end|>\n"
    "<|im_start|>assistant\n"
)


def call_openrlhf(response: str, label: Any, prompt: str = PROMPT) -> dict[str, Any]:
    """Positional, one of each, in a thread; the query has the image tokens expanded."""
    module = load(plugin_path("openrlhf"), "reward_func")
    query = prompt.replace("<|image_pad|>", "<|image_pad|>" * 391) + response
    with ThreadPoolExecutor(1) as pool:
        found: dict[str, Any] = pool.submit(module.reward_func, [query], [prompt], [label]).result()
    return found


def test_openrlhf_reward_score_and_logs() -> None:
    found = call_openrlhf(COUNT_TEXT + "<|im_end|>", COUNT)
    assert found["rewards"] == found["scores"] == 2.0
    assert found["extra_logs"]["parsed"] == 1.0
    assert all(type(value) is float for value in found["extra_logs"].values())


def test_openrlhf_prompt_with_an_answer_in_it_is_not_scored() -> None:
    prompt = PROMPT.replace("How many?", "Write <think></think><answer>4</answer>. How many?")
    assert call_openrlhf("", COUNT, prompt)["rewards"] == 0.0


def test_openrlhf_errors_are_logged_since_the_trainer_swallows_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(ValueError, match="gold envelope"):
        call_openrlhf(COUNT_TEXT, "145")
    assert "no reward: expected a gold envelope" in caplog.text


# --- verl 0.9.1, verl/experimental/reward_loop/reward_manager/naive.py --------------------------


def test_verl_one_sample_in_an_executor_thread_with_its_own_arguments() -> None:
    module = importlib.import_module("vlreward.integrations.verl")

    async def run_single(source: str, text: str, gold: Any, info: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            None,
            lambda: module.compute_score(
                data_source=source,
                solution_str=text,
                ground_truth=gold,
                extra_info=info,
                reward_router_address=None,
                reward_model_tokenizer=None,
            ),
        )

    info: dict[str, Any] = {"num_turns": None, "rollout_reward_scores": {}}
    results = [
        asyncio.run(run_single("mixture", BOX_TEXT, REC, info)),
        asyncio.run(run_single("mixture", COUNT_TEXT, COUNT, info)),
        asyncio.run(run_single("counting", COUNT_TEXT, 4, info)),
        asyncio.run(run_single("rec", "", [0, 0, 32, 24], {**info, "frame": "original_px"})),
    ]
    assert [r["score"] for r in results] == [1.5, 2.0, 2.0, 0.0]
    assert all(list(r) == list(results[0]) for r in results)


def test_verl_envelope_outweighs_a_data_source_called_like_another_task() -> None:
    module = importlib.import_module("vlreward.integrations.verl")
    assert module.compute_score("rec", COUNT_TEXT, COUNT)["score"] == 2.0
    unversioned = {"gold": json.loads(COUNT)["gold"]}
    assert module.compute_score("rec", COUNT_TEXT, unversioned)["score"] == 2.0
    assert module.compute_score("rec", COUNT_TEXT, f" {COUNT}<|im_end|>")["score"] == 2.0


# --- ms-swift 4.6, swift/rl_core/grpo_algorithm.py: compute_rewards_per_func --------------------


@pytest.fixture
def orms(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """ms-swift's registry of rewards."""
    registry: dict[str, Any] = {"accuracy": type("MathAccuracy", (), {})}
    module = SimpleNamespace(orms=registry)
    monkeypatch.setitem(sys.modules, "swift", SimpleNamespace(rewards=module))
    monkeypatch.setitem(sys.modules, "swift.rewards", module)
    return registry


def test_swift_classes_positional_completions_and_columns(orms: dict[str, Any]) -> None:
    load(plugin_path("swift"), "_swift_external_1")
    function = orms["vlreward"](args=SimpleNamespace())
    columns = {
        "trainer_state": None,
        "messages": [[{"role": "user", "content": "?"}]] * 3,
        "is_truncated": [False, False, True],
        "solution": [REC, COUNT, COUNT],
    }
    assert function([BOX_TEXT, COUNT_TEXT, "<think>"], **columns) == [1.5, 2.0, 0.0]
    # The content of a message that calls a tool; it ended the training.
    assert function([BOX_TEXT, COUNT_TEXT + "<|im_end|>", None], **columns) == [1.5, 2.0, 0.0]
    iou = orms["vlreward_iou"](args=None)
    assert iou([BOX_TEXT, COUNT_TEXT, "<think>"], **columns) == [0.5, None, None]
    names = [cls.__name__ for cls in orms.values()]
    assert len(set(names)) == len(names)


def test_swift_names_that_are_taken(orms: dict[str, Any]) -> None:
    from vlreward.integrations.swift import register

    with pytest.raises(ValueError, match="ms-swift has a reward called 'accuracy' already"):
        register("accuracy", "counting")
    first, second = register("a", "counting"), register("b", "counting", terms=["soft"])
    assert (first.__name__, second.__name__) == ("a", "b")


def test_swift_needs_golds(orms: dict[str, Any]) -> None:
    load(plugin_path("swift"), "_swift_external_2")
    with pytest.raises(ValueError, match="expected a column 'solution' with the golds"):
        orms["vlreward"]()([COUNT_TEXT], answer=["4"])


# --- verifiers 0.4, verifiers/v1/task.py: Task.score --------------------------------------------


def test_verifiers_by_keyword_with_the_tasks_data() -> None:
    from vlreward.integrations import verifiers

    task = SimpleNamespace(answer=COUNT, image="python:3.11")  # a container image there
    trace = SimpleNamespace(last_reply=COUNT_TEXT, is_truncated=False)
    assert asyncio.run(verifiers.score(task=task, trace=trace)) == 2.0
    found = asyncio.run(verifiers.metrics(task=task, trace=trace))
    assert found["vlreward_acc"] == 1.0


@pytest.mark.parametrize("fields", [{}, {"answer": "3", "gold": "3"}])
def test_verifiers_gold_in_exactly_one_field(fields: dict[str, str]) -> None:
    from vlreward.integrations import verifiers

    trace = SimpleNamespace(last_reply="", is_truncated=True)
    with pytest.raises(ValueError, match="expected the gold in one of the fields"):
        asyncio.run(verifiers.score(SimpleNamespace(**fields), trace))


# --- a gold that nobody can read, met in the middle of a run ------------------------------------


def test_an_unreadable_gold_earns_0_and_is_said_once(
    orms: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from vlreward import scoring
    from vlreward.integrations import Scorer, Settings, verifiers, verl
    from vlreward.judges import MathJudge
    from vlreward.types import FailureCode, ParseFailure

    failure = ParseFailure(FailureCode.UNPARSABLE_GOLD, "nothing to read in it")
    for name in ("many", "quick"):
        monkeypatch.setattr(MathJudge, name, lambda _, answers, __: [failure] * len(answers))
    scoring._say_once.cache_clear()
    gold = '{"vlreward":1,"gold":{"task":"geometry","expression":"7"}}'
    text = "7 <answer>7</answer>"
    load(plugin_path("swift"), "_swift_external_3")
    task = SimpleNamespace(answer=gold)
    trace = SimpleNamespace(last_reply=text, is_truncated=False)
    with caplog.at_level(logging.WARNING):
        scored = Scorer(Settings()).score(text, gold)
        assert scored.score.failure == failure
        assert scored.numbers["parsed"] == 0.0
        assert [
            scored.numbers["score"],
            Scorer(Settings()).scores([text], [gold])[0].numbers["score"],
            verl.compute_score("any", text, gold)["score"],
            asyncio.run(verifiers.score(task, trace)),
            call_easyr1([text], [gold])[0]["overall"],
            call_openrlhf(text, gold)["rewards"],
            *orms["vlreward"]()([text], solution=[gold]),
            *orms["vlreward_math"]()([text], solution=[gold]),
        ] == [0.0] * 8
    said = [r.message for r in caplog.records if r.name == "vlreward.scoring"]
    assert len(said) == 1
    assert "a gold of task geometry cannot be read, its answers earn 0: nothing to read" in said[0]


def test_the_server_goes_on_after_an_unreadable_gold(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("starlette", reason="starlette is not installed: it needs the extra serve")
    import httpx

    from vlreward.integrations.server import ServerOptions
    from vlreward.integrations.server.app import create_app
    from vlreward.judges import MathJudge
    from vlreward.types import FailureCode, ParseFailure

    failure = ParseFailure(FailureCode.UNPARSABLE_GOLD, "nothing to read in it")
    monkeypatch.setattr(MathJudge, "quick", lambda _, answers, __: [failure] * len(answers))
    gold = '{"vlreward":1,"gold":{"task":"geometry","expression":"7"}}'
    items = [{"completion": "<answer>7</answer>", "gold": gold}]
    items += [{"completion": "<answer>4</answer>", "gold": COUNT}]

    async def ask() -> Any:
        transport = httpx.ASGITransport(create_app(ServerOptions()))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return (await client.post("/score", json={"items": items})).json()["scores"]

    bad, good = asyncio.run(ask())
    assert (bad["value"], bad["failure"]["code"], good["value"]) == (0.0, "unparsable_gold", 1.0)
