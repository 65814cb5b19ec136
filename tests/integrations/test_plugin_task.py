"""A plug-in's task, with golds and answers in frames, through the shim of every trainer alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugins import commands, environment, python

# x = 100 and y = 25 pixels of an image of 200 x 100. The answer, y first, is 10 pixels beside it,
# which is half of what the row allows: the gold's frame, the sizes, the answer's frame, the axis
# order and the metadata all have to arrive for this number.
TEXT = "<think>There.</think><answer>[250, 550</answer>"
GOLD = {"task": "spot", "x": 500, "y": 250, "frame": "norm1000"}
SAID = {
    "image_size": [200, 100],
    "input_size": [400, 200],
    "frame": "norm1000",
    "axis_order": "yx",
    "metadata": {"radius": 20},
}
WHOLE = json.dumps({"vlreward": 1, "gold": GOLD, **SAID})
ALONE = json.dumps({"vlreward": 1, "gold": GOLD})
VALUE = 1.5

DOORS = f"""
import asyncio, importlib.util, json, sys, types
from types import SimpleNamespace
from vlreward.golds import pack
from vlreward.integrations import Scorer, Settings, plugin_path
from vlreward.types import Sample
TEXT, WHOLE, ALONE, SAID = {TEXT!r}, {WHOLE!r}, {ALONE!r}, {SAID!r}

def load(trainer):
    spec = importlib.util.spec_from_file_location(trainer, plugin_path(trainer))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

orms = {{}}
rewards = types.ModuleType("swift.rewards")
rewards.orms = orms
sys.modules["swift"] = types.ModuleType("swift")
sys.modules["swift.rewards"] = rewards
load("swift")
from vlreward.integrations import verifiers, verl

found = {{}}
sample = Sample(id="1", gold=json.loads(WHOLE)["gold"], **SAID)
found["packed"] = Scorer(Settings()).score(TEXT, pack(sample)).score.value
for name, gold, said in (("envelope", WHOLE, {{}}), ("columns", ALONE, SAID)):
    columns = {{key: [value] for key, value in said.items()}}
    scorer = Scorer(Settings())
    found["Scorer, " + name] = scorer.score(TEXT, gold, **said).score.value
    found["Scorer.score_quickly, " + name] = scorer.score_quickly(TEXT, gold, **said).score.value
    found["Scorer.scores, " + name] = scorer.scores([TEXT], [gold], **columns)[0].score.value
    found["verl, " + name] = verl.compute_score("any", TEXT, gold, said)["score"]
    found["swift, " + name] = orms["vlreward"]()([TEXT], solution=[gold], **columns)[0]
    task = SimpleNamespace(answer=gold, **said)
    trace = SimpleNamespace(last_reply=TEXT, is_truncated=False)
    found["verifiers, " + name] = asyncio.run(verifiers.score(task, trace))
row = {{"response": TEXT, "ground_truth": WHOLE}}
found["EasyR1"] = load("easyr1").compute_score([row])[0]["overall"]
found["OpenRLHF"] = load("openrlhf").reward_func(["?" + TEXT], ["?"], [WHOLE])["rewards"]
settings = Settings(frame="norm1000", axis_order="yx")
said = {{key: SAID[key] for key in ("image_size", "metadata")}}
found["settings"] = Scorer(settings).score(TEXT, ALONE, **said).score.value
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, str]:
    """The environment of a process that finds the plug-in as if it were installed."""
    info = tmp_path_factory.mktemp("plugin") / "spot-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spot\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[vlreward.tasks]\nspot = vlreward_touch.spot:SPOT\n")
    return environment(info.parent, root / "tests" / "plugin")


def test_every_shim_scores_it_alike(env: dict[str, str]) -> None:
    found = json.loads(python(DOORS, env))
    assert len(found) == 16
    assert set(found.values()) == {VALUE}, found


def test_the_server_scores_it_alike(env: dict[str, str]) -> None:
    pytest.importorskip("starlette", reason="starlette is not installed: it needs the extra serve")
    code = f"""
import asyncio, httpx
from vlreward.integrations.server import ServerOptions
from vlreward.integrations.server.app import create_app

async def ask():
    transport = httpx.ASGITransport(create_app(ServerOptions()))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        items = [{{"completion": {TEXT!r}, "gold": {WHOLE!r}}},
                 {{"completion": {TEXT!r}, "gold": {ALONE!r}, **{SAID!r}}}]
        answer = await client.post("/score", json={{"items": items}})
        print([score["value"] for score in answer.json()["scores"]])
        paddle = {{"src": ["?"], "tgt": [{WHOLE!r} + "<|im_end|>"], "response": [{TEXT!r}]}}
        print((await client.post("/", json=paddle)).json()["score"])

asyncio.run(ask())
"""
    assert python(code, env) == f"{[VALUE] * 2}\n{[VALUE]}\n"


def test_doctor_reads_it(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "recorded.jsonl"
    file.write_text(json.dumps({"id": "1", "completion": TEXT, "gold": json.loads(WHOLE)}) + "\n")
    (said,) = commands(env, tmp_path, ["vlreward.cli", "doctor", file, "--task", "spot"])
    said = " ".join(said.split())  # lines are as wide as the terminal
    assert "1 completions (1 spot), mean reward 1.500" in said
