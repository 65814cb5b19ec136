"""The verl shim through verl's own configuration, loader, reward manager and batch assembly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    # Raised inside ray, torch and their dependencies when verl is imported.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
def _verl(needs: Callable[[str], str]) -> None:
    needs("verl")


class CharacterTokenizer:
    """Token ids are code points."""

    pad_token_id = 0

    def decode(self, ids: Any, skip_special_tokens: bool = True) -> str:
        return "".join(map(chr, ids.tolist()))


def config(name: str = "naive", **kwargs: Any) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.create(
        {
            "reward": {
                "custom_reward_function": {
                    "path": "pkg://vlreward.integrations.verl",
                    "name": "compute_score",
                    "reward_kwargs": kwargs,
                },
                "reward_manager": {"source": "register", "name": name},
                "reward_kwargs": {},
            },
            "trainer": {"experiment_name": "test"},
            "data": {"max_response_length": 512},
        }
    )


def batch(rows: list[dict[str, Any]], **columns: list[Any]) -> Any:
    import numpy as np
    import torch
    from verl import DataProto

    width = max(len(row["completion"]) for row in rows)
    responses = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), 1 + width, dtype=torch.long)
    mask[:, 0] = 1
    for i, row in enumerate(rows):
        codes = torch.tensor([ord(c) for c in row["completion"]])
        responses[i, : len(codes)] = codes
        mask[i, 1 : 1 + len(codes)] = 1
    non_tensors = {
        "data_source": ["mixture"] * len(rows),
        "reward_model": [{"style": "rule", "ground_truth": row["gold"]} for row in rows],
        "extra_info": [{"index": i} for i in range(len(rows))],
        **columns,
    }
    return DataProto.from_dict(
        tensors={
            "prompts": torch.ones(len(rows), 1, dtype=torch.long),
            "responses": responses,
            "attention_mask": mask,
        },
        non_tensors={k: np.array(v, dtype=object) for k, v in non_tensors.items()},
    )


def run_manager(name: str, data: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """Every sample through `run_single`, at once, as verl's reward loop does."""
    from verl.trainer.ppo.reward import load_reward_manager

    async def main() -> list[dict[str, Any]]:
        manager = load_reward_manager(config(name, **kwargs), CharacterTokenizer())
        manager.loop = asyncio.get_running_loop()
        return list(
            await asyncio.gather(*(manager.run_single(data[i : i + 1]) for i in range(len(data))))
        )

    return asyncio.run(main())


@pytest.mark.parametrize("name", ["naive", "dapo", "gdpo"])
def test_reward_manager_scores_a_mixture_of_tasks(rows: list[dict[str, Any]], name: str) -> None:
    outputs = run_manager(name, batch(rows))
    assert [output["reward_score"] for output in outputs] == [row["score"] for row in rows]


def test_extra_keys_are_those_of_the_first_sample_and_numeric(rows: list[dict[str, Any]]) -> None:
    import numpy as np

    outputs = run_manager("naive", batch(rows))
    infos = [output["reward_extra_info"] for output in outputs]
    keys = list(infos[0])
    assert all(list(info) == keys for info in infos)
    for key in keys:  # as RewardLoopManager.compute_rm_score assembles them
        column = np.array([info[key] for info in infos])
        assert column.dtype == np.float64
        assert np.isfinite(column).all()
    assert {"score", "acc"} <= set(keys)


def test_rewards_land_on_the_last_token_of_each_response(rows: list[dict[str, Any]]) -> None:
    from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager

    data = batch(rows)
    scores = [output["reward_score"] for output in run_manager("naive", data)]
    tensor = NaiveRewardManager.assemble_rm_scores(data, scores)
    assert tensor.sum(dim=1).tolist() == [row["score"] for row in rows]
    lengths = [len(row["completion"]) for row in rows]
    assert [tensor[i, n - 1].item() for i, n in enumerate(lengths)] == scores


def test_options_come_from_the_configuration() -> None:
    row = {
        "completion": "<answer>[0, 0, 500, 1000]</answer>",
        "gold": "[0, 0, 32, 24]",
        "score": 0.5,
    }
    data = batch([row], extra_info=[{"image_size": [64, 48]}], data_source=["rec"])
    (output,) = run_manager("naive", data, family="qwen3-vl", weights={"iou": 2.0})
    assert output["reward_score"] == 1.0


def test_the_configuration_of_the_guide_is_one_of_verls(
    root: Path, rows: list[dict[str, Any]]
) -> None:
    import verl.trainer.config
    from omegaconf import OmegaConf
    from verl.trainer.ppo.reward import load_reward_manager

    whole = OmegaConf.load(
        Path(verl.trainer.config.__file__).parent / "_generated_ppo_trainer.yaml"
    )
    OmegaConf.set_struct(whole, True)  # a key that verl does not have is an error
    OmegaConf.set_struct(whole.reward.custom_reward_function, False)
    guide = OmegaConf.load(root / "docs/trainers/verl.yaml")
    del guide["hydra"], guide["defaults"]
    merged = OmegaConf.merge(whole, guide)

    async def main() -> Any:
        manager = load_reward_manager(merged, CharacterTokenizer())
        manager.loop = asyncio.get_running_loop()
        return await manager.run_single(batch(rows[:1])[0:1])

    assert asyncio.run(main())["reward_score"] > 0


def test_a_bad_option_is_named() -> None:
    with pytest.raises(ValueError, match="frame: expected one of original_px"):
        run_manager("naive", batch([{"completion": "x", "gold": "3"}]), frame="pixels", task="rec")


def test_its_data_set_reads_packed_rows_and_its_manager_scores_them(tmp_path: Any) -> None:
    """`vlreward pack` on verl's own rows, through verl's loader to the reward."""
    from pathlib import Path

    import datasets
    import numpy as np
    from omegaconf import OmegaConf
    from PIL import Image
    from verl.utils.dataset.rl_dataset import RLHFDataset

    from vlreward.answer_frames import AnswerFrames
    from vlreward.frames import FAMILIES
    from vlreward.packing import pack_file

    source = Path(__file__).parents[2] / "cases" / "data" / "rows" / "verl_geo3k.jsonl"
    for name in ("a.png", "b.png"):
        Image.new("RGB", (640, 480)).save(tmp_path / name)
    packed = pack_file(
        source, tmp_path / "packed.jsonl", frames=AnswerFrames(family=FAMILIES["qwen2.5-vl"])
    )
    assert packed.column == "reward_model.ground_truth"
    table = datasets.load_dataset("json", data_files=str(packed.path), split="train")
    table.to_parquet(str(tmp_path / "packed.parquet"))
    options = OmegaConf.create({"prompt_key": "prompt", "filter_overlong_prompts": False})
    read = RLHFDataset(str(tmp_path / "packed.parquet"), CharacterTokenizer(), options)
    golds = [row["reward_model"]["ground_truth"] for row in map(dict, read.dataframe)]
    answers = [r"2\sqrt{221}", "13"]
    rows = [
        {"completion": f"<answer>{answer}</answer>", "gold": gold}
        for answer, gold in zip(answers, golds, strict=True)
    ]
    outputs = run_manager("naive", batch(rows))
    assert np.all([output["reward_extra_info"]["acc"] == 1 for output in outputs])
