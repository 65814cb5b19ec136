"""What TRL's colocated mode needs of vLLM, on a CPU: a sampler that expands prompts as vLLM does.

vLLM puts the places of each image where it finds the next image token, and leaves the others.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from trl.generation import vllm_generation
from trl.generation.vllm_generation import VLLMGeneration

__all__ = ["FakeLLM", "colocate"]


class FakeLLM:
    """`vllm.LLM` with a model of transformers."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model, processor
        self.read: list[list[int]] = []
        """Prompts as they came."""
        self.banned: set[int] = set()
        self.raw = False
        """Whether log-probabilities are those before tokens are banned."""

    def generate(self, prompts: Any, sampling_params: Any = None, use_tqdm: bool = True) -> Any:
        """Completions of each prompt, with the log-probability of each token."""
        several = sampling_params if isinstance(sampling_params, list) else [sampling_params]
        several *= len(prompts) // len(several)
        self.banned = {token for token, bias in several[0].logit_bias.items() if bias <= -100}
        return [
            SimpleNamespace(
                prompt_token_ids=prompt["prompt_token_ids"],
                outputs=[self._generate(prompt, params.max_tokens) for _ in range(params.n)],
            )
            for prompt, params in zip(prompts, several)
        ]

    def _generate(self, prompt: dict[str, Any], length: int) -> Any:
        self.read.append(list(prompt["prompt_token_ids"]))
        images = prompt["multi_modal_data"]["image"]
        images = images if isinstance(images, list) else [images]
        inputs = self.processor.image_processor(images=images, return_tensors="pt")
        ids, kinds = self._expanded(prompt["prompt_token_ids"], inputs["image_grid_thw"])
        self.model.eval()  # with a cache
        found = self.model.generate(
            input_ids=torch.tensor([ids]),
            mm_token_type_ids=torch.tensor([kinds]),
            **inputs,
            max_new_tokens=length,
            do_sample=True,
            top_k=0,
            suppress_tokens=sorted(self.banned),
            output_scores=True,
            output_logits=True,
            return_dict_in_generate=True,
        )
        self.model.train()
        tokens = found.sequences[0, len(ids) :].tolist()
        scores = [step[0].log_softmax(-1) for step in (found.logits if self.raw else found.scores)]
        logprobs = [
            {token: SimpleNamespace(logprob=float(row[token]), rank=1)}
            for token, row in zip(tokens, scores)
        ]
        return SimpleNamespace(token_ids=tokens, logprobs=logprobs)

    def _expanded(self, given: list[int], grids: torch.Tensor) -> tuple[list[int], list[int]]:
        image = self.model.config.image_token_id
        places = (grids.prod(-1) // self.processor.image_processor.merge_size**2).tolist()
        ids, kinds = [], []
        for token in given:
            if token == image and places:
                count = places.pop(0)
                ids += [image] * count
                kinds += [1] * count
            else:
                # A token of an image without one: a place that no image fills.
                ids.append(self.processor.tokenizer.pad_token_id if token == image else token)
                kinds.append(0)
        return ids, kinds


def colocate(trainer: Any, monkeypatch: Any) -> FakeLLM:
    """Make a trainer generate as with `--use_vllm --vllm_mode colocate`."""
    monkeypatch.setattr(vllm_generation, "SamplingParams", SimpleNamespace, raising=False)
    monkeypatch.setattr(VLLMGeneration, "_init_vllm", lambda self: None)
    monkeypatch.setattr(VLLMGeneration, "sync_weights", lambda self: None)
    llm = FakeLLM(trainer.model, trainer.processing_class)
    generation = VLLMGeneration(
        trainer.model,
        trainer.accelerator,
        trainer.processing_class,
        max_completion_length=trainer.max_completion_length,
        generation_kwargs=trainer.args.generation_kwargs,
    )
    generation.llm = llm
    trainer.use_vllm, trainer.vllm_generation, trainer._last_loaded_step = True, generation, -1
    return llm
