"""Write what the Paddle backend is compared with: run this where torch, transformers and trl are.

    python tests/backends/paddle/make_fixtures.py tests/cases/paddle

For each family a tiny checkpoint (as transformers saves it), a batch with images of two sizes, its
logits, and greedy completions of the batch and of each prompt alone. For Qwen2.5-VL also fixed
rollouts with what TRL's own `GRPOTrainer` made of them: losses, log-probabilities, advantages and
parameters after training; and once with an adapter by peft.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

VOCAB = 96
IDS = {
    "pad": 0,
    "eos": 2,
    "vision_start": 3,
    "vision_end": 4,
    "image": 6,
    "video": 7,
}
PATCH, MERGE = 4, 2
FAMILIES = ("qwen2_vl", "qwen2_5_vl")
CASES = ((0.0, 1), (0.04, 1), (0.0, 2), (0.04, 2))
"""Pairs of beta and num_iterations."""
TEMPERATURE, LEARNING_RATE, REFERENCE_SCALE = 0.9, 1e-3, 0.98


def main(out: Path) -> None:
    """Write all fixtures to a directory."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    out.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        model = tiny_model(family)
        model.save_pretrained(out / family)
        finish_config(out / family)
        write_logits(model, out / f"{family}.npz")
    for beta, iterations in CASES:
        write_grpo(out, beta, iterations)
    write_grpo(out, 0.04, 2, lora=True)
    write_answers(out)
    write_evaluation(out)
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{total / 1024:.0f} KiB in {out}")


def tiny_model(family: str) -> Any:
    """A randomly initialised model of 27,000 parameters."""
    import transformers

    torch.manual_seed(7)
    name = {"qwen2_vl": "Qwen2VL", "qwen2_5_vl": "Qwen2_5_VL"}[family]
    text = {
        "vocab_size": VOCAB,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [1, 1, 2],
        },
        "tie_word_embeddings": family == "qwen2_5_vl",
        "use_sliding_window": False,
        "bos_token_id": IDS["pad"],
        "eos_token_id": IDS["eos"],
        "pad_token_id": IDS["pad"],
    }
    vision: dict[str, Any] = {
        "depth": 2,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
        "num_heads": 2,
    }
    if family == "qwen2_vl":
        vision |= {"embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2}
    else:
        vision |= {
            "hidden_size": 16,
            "intermediate_size": 24,
            "out_hidden_size": 32,
            "window_size": 16,
            "fullatt_block_indexes": [1],
        }
    config = getattr(transformers, f"{name}Config")(
        text_config=text,
        vision_config=vision,
        image_token_id=IDS["image"],
        video_token_id=IDS["video"],
        vision_start_token_id=IDS["vision_start"],
        vision_end_token_id=IDS["vision_end"],
        tie_word_embeddings=text["tie_word_embeddings"],
    )
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    with torch.no_grad():
        for parameter in model.parameters():
            # Weights of a size at which attention and positions matter, biases that are not zero.
            parameter.add_(torch.randn_like(parameter) * (0.2 if parameter.dim() > 1 else 0.05))
    return model.eval()


def finish_config(path: Path) -> None:
    """Leave out what depends on the version of transformers."""
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    config.pop("transformers_version", None)
    (path / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    (path / "generation_config.json").unlink(missing_ok=True)


def batch(seed: int = 0) -> dict[str, np.ndarray]:
    """Three prompts with an image each, of two sizes, padded on the left.

    Returns:
        `input_ids` and `attention_mask` (3, P), `pixel_values` (patches, 3 * 2 * 4 * 4),
        `image_grid_thw` (3, 3).
    """
    rng = np.random.default_rng(seed)
    grids = np.array([[1, 4, 6], [1, 6, 4], [1, 2, 4]])
    rows = []
    for grid, length in zip(grids, (5, 9, 3)):
        count = int(grid.prod()) // MERGE**2
        words = rng.integers(8, VOCAB, length).tolist()
        rows.append(
            [words[0], IDS["vision_start"], *[IDS["image"]] * count, IDS["vision_end"], *words[1:]]
        )
    width = max(map(len, rows))
    return {
        "input_ids": np.array([[IDS["pad"]] * (width - len(row)) + row for row in rows]),
        "attention_mask": np.array([[0] * (width - len(row)) + [1] * len(row) for row in rows]),
        "pixel_values": rng.normal(size=(int(grids.prod(axis=1).sum()), 96)).astype(np.float32),
        "image_grid_thw": grids,
    }


def write_logits(model: Any, path: Path) -> None:
    """Logits and greedy completions, of the batch and of each prompt alone."""
    inputs = batch()
    settings = {"max_new_tokens": 12, "do_sample": False, "suppress_tokens": vision_ids()}
    with torch.no_grad():
        logits = model(**as_torch(inputs)).logits.numpy()
        greedy = model.generate(**as_torch(inputs), **settings).numpy()
        alone = []
        for i in range(len(inputs["input_ids"])):
            one = model.generate(**as_torch(select(inputs, [i])), **settings).numpy()
            alone.append(one[0, -(one.shape[1] - int(inputs["attention_mask"][i].sum())) :])
    width = inputs["input_ids"].shape[1]
    greedy = greedy[:, width:]
    for i, tokens in enumerate(alone):
        assert tokens.tolist() == greedy[i, : len(tokens)].tolist(), "batched and single differ"
    arrays: Any = {"logits": logits, "greedy": greedy, **inputs}
    np.savez_compressed(path, **arrays)


def vision_ids() -> list[int]:
    """Ids that stand for images and videos."""
    return [IDS["vision_start"], IDS["vision_end"], IDS["image"], IDS["video"]]


def as_torch(inputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """Tensors, with the type of each token that newer transformers ask for."""
    found = {k: torch.tensor(v) for k, v in inputs.items()}
    found["mm_token_type_ids"] = (found["input_ids"] == IDS["image"]).long()
    return found


def select(inputs: dict[str, np.ndarray], rows: list[int]) -> dict[str, np.ndarray]:
    """Some rows of a batch, without the padding that they do not need."""
    patches = np.cumsum([0, *inputs["image_grid_thw"].prod(axis=1)])
    start = min(int((inputs["attention_mask"][i] == 0).sum()) for i in rows)
    return {
        "input_ids": inputs["input_ids"][rows, start:],
        "attention_mask": inputs["attention_mask"][rows, start:],
        "pixel_values": np.concatenate(
            [inputs["pixel_values"][patches[i] : patches[i + 1]] for i in rows]
        ),
        "image_grid_thw": inputs["image_grid_thw"][rows],
    }


def rollouts() -> dict[str, np.ndarray]:
    """Four completions of each of two prompts, with rewards; of several lengths, one truncated.

    Returns:
        The prompts' batch (8 rows), `completion_ids` and `completion_mask` (8, 10), `rewards` (8,).
    """
    inputs = select(batch(), [0, 0, 0, 0, 1, 1, 1, 1])
    rng = np.random.default_rng(3)
    lengths = [4, 10, 7, 1, 5, 8, 3, 6]
    ids = np.zeros((8, 10), dtype=np.int64)
    mask = np.zeros((8, 10), dtype=np.int64)
    for i, length in enumerate(lengths):
        ids[i, :length] = rng.integers(8, VOCAB, length)
        if i != 1:
            ids[i, length - 1] = IDS["eos"]
        mask[i, :length] = 1
    rewards = np.array([1.0, 0.25, 0.0, 0.5, 2.0, 1.5, 0.0, 0.1])
    return {**inputs, "completion_ids": ids, "completion_mask": mask, "rewards": rewards}


def write_grpo(out: Path, beta: float, iterations: int, *, lora: bool = False) -> None:
    """Train TRL's trainer on the rollouts, `iterations` optimizer steps with one batch.

    With `lora` an adapter is trained, whose B is not zero at the start, so that A has gradients
    and the model without it is another.
    """
    from datasets import Dataset
    from transformers import Qwen2_5_VLForConditionalGeneration
    from trl import GRPOConfig, GRPOTrainer
    from trl.trainer import grpo_trainer

    # The order of rows in the buffer, so that losses and log-probabilities can be compared by row.
    grpo_trainer.shuffle_sequence_dict = lambda batch: batch
    data = rollouts()
    images = {
        "pixel_values": torch.tensor(data["pixel_values"]),
        "image_grid_thw": torch.tensor(data["image_grid_thw"]),
        "num_images": [1] * 8,
        "mm_token_type_ids": torch.tensor(
            np.hstack([data["input_ids"], 0 * data["completion_ids"]]) == IDS["image"]
        ).long(),
    }
    seen: dict[str, list[Any]] = {"loss": [], "logps": [], "advantages": []}

    class Fixed(GRPOTrainer):  # type: ignore[misc]
        """TRL's trainer with the rollouts given instead of sampled."""

        def _tokenize_prompts(self, prompts: list[Any]) -> Any:
            return trimmed("input_ids", "attention_mask"), None, {}

        def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
            return trimmed("completion_ids", "completion_mask"), None

        def _get_per_token_logps_and_entropies(self, model: Any, *args: Any, **kwargs: Any) -> Any:
            kwargs = {k: v for k, v in kwargs.items() if v is not None and k != "batch_size"}
            found = super()._get_per_token_logps_and_entropies(model, *args, **kwargs, **images)
            if torch.is_grad_enabled():
                seen["logps"].append(found[0].detach().numpy().copy())
            return found

        def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
            loss = super()._compute_loss(model, inputs)
            seen["loss"].append(loss.item())
            seen["advantages"].append(inputs["advantages"].numpy().copy())
            return loss

    def trimmed(ids: str, mask: str) -> list[list[int]]:
        return [row[keep == 1].tolist() for row, keep in zip(data[ids], data[mask])]

    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        out / "qwen2_5_vl", dtype=torch.float32
    )
    args = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=10,
        num_iterations=iterations,
        max_steps=iterations,
        beta=beta,
        loss_type="grpo",
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        temperature=TEMPERATURE,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        max_grad_norm=1.0,
    )
    rows = [{"prompt": [{"role": "user", "content": "x"}]}] * 2
    trainer = Fixed(
        model=model,
        reward_funcs=lambda completions, **_: data["rewards"].tolist(),
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(),
        peft_config=adapter_config() if lora else None,
    )
    adapter = {"before": drawn_adapter(trainer.model)} if lora else {}
    if beta and not lora:
        # The reference differs from the policy at the first step already.
        with torch.no_grad():
            for parameter in trainer.ref_model.parameters():
                parameter.mul_(REFERENCE_SCALE)
    trainer.train()
    name = "grpo_lora" if lora else f"grpo_beta{beta:g}_iterations{iterations}"
    if lora:
        from peft import get_peft_model_state_dict

        adapter["after"] = get_peft_model_state_dict(trainer.model)
    else:
        model.save_pretrained(out / name)
        (out / name / "model.safetensors").rename(out / f"{name}.safetensors")
        shutil.rmtree(out / name)
    arrays: Any = {
        "loss": np.array(seen["loss"]),
        "logps": np.stack(seen["logps"]),
        "advantages": seen["advantages"][0],
        **data,
        **{f"{w}/{k}": v.numpy() for w, found in adapter.items() for k, v in found.items()},
    }
    np.savez_compressed(out / f"{name}.npz", **arrays)


def adapter_config() -> Any:
    """The TRL backend's targets, at a small rank."""
    from peft import LoraConfig

    from vlreward_trl.preparing import LORA_TARGETS

    return LoraConfig(
        r=3, lora_alpha=6, lora_dropout=0.0, target_modules=LORA_TARGETS, task_type="CAUSAL_LM"
    )


def drawn_adapter(model: Any) -> dict[str, Any]:
    """Put random numbers into an adapter; returns them under peft's names."""
    from peft import get_peft_model_state_dict

    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return {k: v.clone() for k, v in get_peft_model_state_dict(model).items()}


def write_answers(out: Path) -> None:
    """Greedy answers of the packaged model to questions about scenes, by the engine `hf`."""
    from tests.backends.paddle.questions import MODEL, requests
    from vlreward.engines.base import EngineConfig, Generation
    from vlreward.engines.hf import HFEngine

    engine = HFEngine(EngineConfig(MODEL, max_tokens=64, batch_size=5, dtype="float32"))
    found = {}
    for key, made in engine.generate(requests()):
        assert isinstance(made, Generation)
        assert made.input_size is not None
        found[key] = {
            "text": made.text,
            "truncated": made.truncated,
            "tokens": made.token_count,
            "input_size": list(made.input_size),
        }
    text = json.dumps(dict(sorted(found.items())), indent=1) + "\n"
    (out / "answers.json").write_text(text, encoding="utf-8")


def write_evaluation(out: Path) -> None:
    """What the TRL backend's evaluation says of the packaged half-trained model."""
    from tests.backends.paddle.questions import evaluation_words
    from vlreward_trl.arguments import parse
    from vlreward_trl.preparing import prepare
    from vlreward_trl.training import build_trainer

    directory = Path(tempfile.mkdtemp())
    trainer = build_trainer(prepare(parse([*evaluation_words(directory), "--use_cpu"])))
    costs = ("eval_runtime", "eval_seconds/generation")
    found = {
        k: v for k, v in trainer.evaluate().items() if k.startswith("eval_") and k not in costs
    }
    text = json.dumps(dict(sorted(found.items())), indent=1) + "\n"
    (out / "evaluation.json").write_text(text, encoding="utf-8")


def tokenizer() -> Any:
    """Words `t0`, `t1` ... of which one is padding and one ends a completion."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = {f"t{i}": i for i in range(VOCAB)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="t1")),
        pad_token="t0",
        unk_token="t1",
        eos_token="t2",
        padding_side="left",
        chat_template="{{ messages[0].content }}",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
