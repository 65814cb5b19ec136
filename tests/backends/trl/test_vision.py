"""The fast vision tower beside transformers' own: features, losses and gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from vlreward_trl.processing import load
from vlreward_trl.vision import ATTENTION, distinct_images, packed_attention, speed_up

FAMILIES = ("qwen2-vl", "qwen2.5-vl", "qwen3-vl")


def _batch(path: Path, order: str) -> Any:
    """Prompts with images of three sizes, in an order like `aab`; `d` has two."""
    processor, _ = load(str(path))
    noise = torch.Generator().manual_seed(0)
    sizes = {"a": (112, 84), "b": (84, 112), "c": (112, 84), "e": (196, 168)}
    images = {
        name: Image.fromarray(
            torch.randint(0, 255, (h, w, 3), generator=noise, dtype=torch.uint8).numpy()
        )
        for name, (w, h) in sizes.items()
    }
    shown = [[images[x] for x in (("a", "e") if name == "d" else (name,))] for name in order]
    texts = [
        processor.apply_chat_template(
            [{"role": "user", "content": [*({"type": "image"} for _ in row), _text("how many?")]}],
            tokenize=False,
        )
        for row in shown
    ]
    return processor(text=texts, images=shown, padding=True, return_tensors="pt")


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _model(path: Path, dtype: torch.dtype = torch.float64) -> Any:
    torch.manual_seed(0)
    return AutoModelForImageTextToText.from_pretrained(path, attn_implementation="sdpa").to(dtype)


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_are_those_of_the_plain_model(
    family: str, checkpoint: Callable[[str], Path]
) -> None:
    """In float64, as far as the layers are: norms compute in float32."""
    path = checkpoint(family)
    inputs = _batch(path, "aabacddbe")
    inputs["labels"] = inputs["input_ids"].clone()
    found = []
    for fast in (False, True):
        model = _model(path)
        if fast:
            assert speed_up(model)
            assert model.model.visual.config._attn_implementation == ATTENTION
        loss = model(**inputs).loss
        loss.backward()
        found.append((loss.detach(), {n: p.grad for n, p in model.named_parameters()}))
    (plain, theirs), (fast, ours) = found
    torch.testing.assert_close(fast, plain, rtol=1e-6, atol=0)
    assert theirs.keys() == ours.keys()
    assert sum("visual" in name and grad is not None for name, grad in ours.items()) > 10
    for name, grad in theirs.items():
        assert (ours[name] - grad).norm() <= 1e-5 * grad.norm(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_each_image_is_encoded_once(family: str, checkpoint: Callable[[str], Path]) -> None:
    """Also where a prompt has several, and in generation."""
    model = _model(checkpoint(family), torch.float32)
    inputs = _batch(checkpoint(family), "aaaabddd")
    assert speed_up(model)
    seen: list[int] = []
    model.model.visual.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["grid_thw"])), with_kwargs=True
    )
    with torch.no_grad():
        model(**inputs)
        model.generate(**inputs, max_new_tokens=2, do_sample=False)
    assert seen == [3, 3]  # of 11


def test_images_are_told_apart_by_their_pixels_and_their_shape() -> None:
    patches = torch.arange(12.0).reshape(12, 1)
    # Equal sums and another order; equal patches in another shape; an equal image.
    values = torch.cat([patches, patches.flip(0), patches, patches])
    grids = torch.tensor([[1, 3, 4], [1, 3, 4], [1, 4, 3], [1, 3, 4]])
    assert distinct_images(values, grids) == ([0, 1, 2], [0, 1, 2, 0])


@pytest.mark.parametrize("sizes", [[4, 4, 4], [1, 5, 3], [7]])
def test_packed_attention_is_attention_within_each_piece(sizes: list[int]) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, sum(sizes), 8, dtype=torch.float64)
    ends = torch.tensor([0, *sizes]).cumsum(0).to(torch.int32)
    found, _ = packed_attention(None, query, key, value, cu_seq_lens_q=ends)
    parts = zip(*(states.split(sizes, dim=2) for states in (query, key, value)))
    plain = [torch.nn.functional.scaled_dot_product_attention(*part) for part in parts]
    torch.testing.assert_close(found, torch.cat(plain, dim=2).transpose(1, 2))


def test_other_models_are_left_alone() -> None:
    assert not speed_up(torch.nn.Sequential(torch.nn.Linear(2, 2)))


@pytest.mark.slow
def test_a_compiled_model_trains_as_it_is(argv: Callable[..., list[str]], tmp_path: Path) -> None:
    """`--torch_compile` beside `--fast_vision`, by what all backends of the compiler share."""
    from vlreward_trl.arguments import parse
    from vlreward_trl.preparing import prepare
    from vlreward_trl.training import build_trainer

    def varied(completion_ids: list[list[int]], **columns: Any) -> list[float]:
        return [float(sum(ids) % 7) for ids in completion_ids]

    found = []
    for more in ((), ("--torch_compile", "--torch_compile_backend", "eager")):
        words = argv("counting", "qwen2.5-vl", *more, output_dir=tmp_path, seed=3)
        trainer = build_trainer(prepare(parse(words)), rewards=[varied])
        trainer.train()
        found.append([trainer.state.log_history[0][name] for name in ("grad_norm", "entropy")])
    plain, compiled = found
    assert plain[0] > 0.1
    assert compiled == pytest.approx(plain, rel=1e-5)
