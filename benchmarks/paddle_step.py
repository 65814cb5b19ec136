"""What generation, a GRPO step and its memory cost on Paddle.

    TORCH_PYTHON=path/to/python python benchmarks/paddle_step.py [--out FILE]

Comparisons in one run, on the CPU with one thread:

- generation of this backend beside paddleformers' model as it comes, same weights, same tokens;
- an optimizer step beside that of the TRL backend, and generation of groups by both, greedy and of
  one length: two processes with the same options take turns, so that what else the machine does
  meets both. TORCH_PYTHON names the Python of an environment with torch and trl; without it this
  part is left out, and said so;
- a training pass over groups as one sequence for each question, beside one for each completion;
- peak memory of a forward and backward pass beside the way of PaddleMIX's trainer: log-softmax
  over the whole vocabulary for prompt and completion, and a copy of the model as reference.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
for _path in (ROOT, ROOT / "backends/paddle", ROOT / "backends/trl", ROOT / "benchmarks"):
    sys.path.insert(0, str(_path))
from device import describe_device, options_of, report  # noqa: E402

from vlreward_paddle.entry import use_avx2  # noqa: E402

MODEL = ROOT / "vlreward/data/tiny_vlm/sft"
VOCABULARY = 151_936
ROUNDS = 9
"""Turns of generation and of training passes; the first warms up."""
LENGTH = 32
"""Tokens of a completion in generation."""


def main() -> None:
    """Measure all and write them."""
    parser = options_of(__doc__, "paddle_step")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--skip", type=int, default=2, help="first steps, which warm up")
    parser.add_argument("--worker", choices=["paddle", "trl", "ours", "original"])
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    if options.worker not in (None, "trl"):
        use_avx2()  # As the command line does.
    if options.worker in ("paddle", "trl"):
        take_turns(options.worker, options.work, options.steps)
        return
    if options.worker is not None:
        print(json.dumps(peak_memory(options.worker)))
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    result: dict[str, Any] = {"machine": describe_device(), "threads": 1}
    result["generation"] = json.loads(_child("generation"))
    result |= in_turn(options.steps, options.skip)
    result["sharing"] = json.loads(_child("sharing"))
    ours, original = (json.loads(_python("--worker", way)) for way in ("ours", "original"))
    result["memory"] = {
        "what": f"2 rows of 96 prompt and 32 completion tokens, vocabulary of {VOCABULARY:,}",
        "ours_mib": ours,
        "original_mib": original,
        "ratio": round(ours / original, 4),
    }
    report(options.out, result)


def _python(*words: str, python: str = sys.executable) -> str:
    """The last line that this file prints in a process of its own."""
    done = subprocess.run(
        [python, "-W", "ignore", __file__, *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip().splitlines()[-1]


def _child(name: str) -> str:
    code = f"import paddle_step as p, json; p.use_avx2(); print(json.dumps(p.{name}()))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "benchmarks")},
    )
    return done.stdout.strip().splitlines()[-1]


def generation() -> dict[str, Any]:
    """Greedy tokens by both models, in turn: seconds of CPU time, and whether they agree."""
    from paddleformers.transformers import Qwen2_5_VLForConditionalGeneration

    from tests.backends.paddle.questions import requests
    from vlreward.data.images import open_image
    from vlreward_paddle.modeling import load_model
    from vlreward_paddle.processing import QwenCodec
    from vlreward_paddle.rollout import Sampling, generate

    codec = QwenCodec(MODEL)
    ours = load_model(MODEL)
    shipped = Qwen2_5_VLForConditionalGeneration(ours.config)
    shipped.set_state_dict(ours.state_dict())
    asked = requests()[:8]
    assert all(isinstance(request.image, bytes) for request in asked)
    prompts = [codec.prompt(r.messages, [open_image(r.image)]) for r in asked]  # type: ignore[arg-type]
    # No id ends a completion, so that both write as many tokens.
    sampling = Sampling(max_tokens=32, temperature=0.0, eos_ids=(10**6,), pad_id=codec.pad_id)
    ours.ban(())
    seconds: dict[str, list[float]] = {"ours": [], "shipped": []}
    tokens: dict[str, Any] = {}
    for _ in range(2):
        for name, model in (("ours", ours), ("shipped", shipped)):
            started = time.process_time()
            tokens[name] = generate(model, prompts, sampling)
            seconds[name].append(time.process_time() - started)
    fast, slow = (statistics.median(seconds[name]) for name in ("ours", "shipped"))
    return {
        "what": "8 prompts with images, 32 tokens each, greedy",
        "ours_cpu_seconds": round(fast, 3),
        "shipped_cpu_seconds": round(slow, 3),
        "ratio": round(fast / slow, 4),
        "same_tokens": tokens["ours"] == tokens["shipped"],
    }


def in_turn(steps: int, skip: int) -> dict[str, Any]:
    """Optimizer steps of both backends, then generations, one at a time."""
    torch_python = os.environ.get("TORCH_PYTHON")
    if torch_python is None:
        return {"step": {"left_out": "TORCH_PYTHON names no Python with torch and trl"}}
    from vlreward.scenes import export_scenes

    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        export_scenes("counting", work, 24, level="easy")
        workers = {
            name: subprocess.Popen(
                [
                    *(python, "-W", "ignore", __file__, "--worker", name),
                    *("--work", str(work), "--steps", str(steps)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for name, python in (("paddle", sys.executable), ("trl", torch_python))
        }
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
        for _ in range(steps + ROUNDS):
            for name, worker in workers.items():
                taken[name].append(_turn(worker))
        for worker in workers.values():
            worker.communicate(timeout=120)
    generated = {name: turns[steps + 1 :] for name, turns in taken.items()}
    return {
        "step": {
            "what": "16 completions of at most 48 tokens of 2 questions, beta 0, packaged model",
            **_compared({name: turns[skip:steps] for name, turns in taken.items()}),
        },
        "generation_beside_trl": {
            "what": f"16 completions of {LENGTH} tokens of 2 questions, greedy",
            "same_tokens": generated["paddle"][0]["tokens"] == generated["trl"][0]["tokens"],
            **_compared(generated),
        },
    }


def _turn(worker: subprocess.Popen[str]) -> dict[str, Any]:
    """What a worker says of its next turn."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()
    for line in worker.stdout:
        if line.startswith("TURN "):
            found: dict[str, Any] = json.loads(line[5:])
            return found
    raise RuntimeError("expected a worker to take its turn, it ended")


def _compared(turns: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    result: dict[str, Any] = {"turns": len(turns["paddle"])}
    for kind in ("wall", "cpu"):
        ours, theirs = ([turn[kind] for turn in turns[name]] for name in ("paddle", "trl"))
        result[kind] = {
            "paddle_seconds": round(statistics.median(ours), 3),
            "trl_seconds": round(statistics.median(theirs), 3),
            "ratio_of_sums": round(sum(ours) / sum(theirs), 3),
        }
    return result


class _Clock:
    """Measures turns, each of which a line on standard input allows."""

    def begin(self) -> None:
        sys.stdin.readline()
        self.started = (time.perf_counter(), time.process_time())

    def end(self, **more: Any) -> None:
        wall, cpu = self.started
        spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print("TURN " + json.dumps({**spent, **more}), flush=True)


def take_turns(name: str, work: Path, steps: int) -> None:
    """Train in one backend and generate in it; wait for a line before each turn."""
    import importlib

    package = f"vlreward_{name}"
    parse = importlib.import_module(f"{package}.arguments").parse
    prepare = importlib.import_module(f"{package}.preparing").prepare
    training = importlib.import_module(f"{package}.training")
    words = [
        *("counting", "--model", str(MODEL), "--data", str(work / "counting.jsonl")),
        *("--image_root", str(work), "--output_dir", str(work / name)),
        *("--max_steps", str(steps), "--num_generations", "8", "--learning_rate", "0"),
        *("--per_device_train_batch_size", "16", "--gradient_accumulation_steps", "1"),
        *("--max_completion_length", "48", "--beta", "0", "--save_strategy", "no"),
        *("--gradient_checkpointing", "false", "--traces", "false", "--disable_tqdm", "true"),
        *("--dataloader_num_workers", "0", "--check_images", "none", "--logging_steps", "1"),
    ]
    if name == "trl":
        import torch

        torch.set_num_threads(1)
        callback = importlib.import_module("transformers").TrainerCallback
    else:
        callback = importlib.import_module("vlreward_paddle.shim").TrainerCallback
    clock = _Clock()

    class Turn(callback):  # type: ignore[misc,valid-type]
        """Ends a step, and waits for the next one to be allowed."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.end()
            if state.global_step < steps:
                clock.begin()

    run = prepare(parse(words))
    trainer = training.build_trainer(run)
    trainer.add_callback(Turn())
    clock.begin()
    trainer.train()
    generate = (paddle_generation if name == "paddle" else trl_generation)(trainer, run)
    for _ in range(ROUNDS):
        clock.begin()
        tokens = generate()
        clock.end(tokens=tokens)


def paddle_generation(trainer: Any, run: Any) -> Callable[[], list[list[int]]]:
    """Completions of two questions, eight each, as the trainer asks for them."""
    from vlreward_paddle.rollout import Sampling, generate

    prompts = [run.processor.encode(run.rows[i]) for i in (0, 1)]
    group = [prompt for prompt in prompts for _ in range(8)]
    sampling = Sampling(LENGTH, temperature=0.0, eos_ids=(10**6,), pad_id=run.processor.pad_id)
    return lambda: generate(trainer.model, group, sampling)


def trl_generation(trainer: Any, run: Any) -> Callable[[], list[list[int]]]:
    """The same by `generate` of transformers, which TRL calls."""
    import torch

    rows = [run.rows[i] for i in (0, 1) for _ in range(8)]
    texts = [
        run.processor.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        for row in rows
    ]
    images = [[row["image"]] for row in rows]
    inputs = run.processor(
        text=texts, images=images, return_tensors="pt", padding=True, padding_side="left"
    )
    model = trainer.accelerator.unwrap_model(trainer.model)
    model.eval()
    model.generation_config.eos_token_id = None

    def generate() -> list[list[int]]:
        with torch.no_grad():
            found = model.generate(
                **inputs, max_new_tokens=LENGTH, do_sample=False, disable_compile=True
            )
        tokens: list[list[int]] = found[:, inputs["input_ids"].shape[1] :].tolist()
        return tokens

    return generate


def sharing() -> dict[str, Any]:
    """Forward and backward passes over two groups of eight, in turn."""
    import numpy as np

    from tests.backends.paddle.questions import requests
    from vlreward.data.images import open_image
    from vlreward_paddle.experience import micro_batch
    from vlreward_paddle.logprobs import completion_logprobs
    from vlreward_paddle.modeling import load_model
    from vlreward_paddle.processing import QwenCodec

    codec, model = QwenCodec(MODEL), load_model(MODEL)
    model.train()
    asked = [requests()[i] for i in (0, 6)]
    prompts = [codec.prompt(r.messages, [open_image(r.image)]) for r in asked]  # type: ignore[arg-type]
    group = [prompt for prompt in prompts for _ in range(8)]
    drawn = np.random.default_rng(0)
    completions = [drawn.integers(20, 600, count).tolist() for count in drawn.integers(8, 48, 16)]
    batches = {
        name: micro_batch(
            group, completions, np.ones(16), codec.pad_id, temperature=1.0,
            banned_ids=model.banned_ids, chunk_size=512, keep=[True] * 16, share_prompts=shared,
        )
        for name, shared in (("shared", True), ("apart", False))
    }  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in batches}
    values: dict[str, Any] = {}
    for _ in range(ROUNDS):
        for name, batch in batches.items():
            started = time.process_time()
            logps, _entropy = completion_logprobs(model, batch.inputs, batch.asked)
            logps.mean().backward()
            seconds[name].append(time.process_time() - started)
            values[name] = logps.numpy()
            model.clear_gradients()
    one, other = (statistics.median(seconds[name]) for name in ("shared", "apart"))
    return {
        "what": "16 completions of 8 to 47 tokens of 2 questions, forward and backward",
        "shared_cpu_seconds": round(one, 3),
        "apart_cpu_seconds": round(other, 3),
        "ratio": round(one / other, 3),
        "largest_difference": float(np.abs(values["shared"] - values["apart"]).max()),
    }


def peak_memory(way: str) -> int:
    """MiB that a forward and backward pass needs on top of the model, of a large vocabulary."""
    import copy

    import paddle

    from vlreward_paddle.logprobs import TokenLogProbs, completion_logprobs
    from vlreward_paddle.modeling.config import to_paddle
    from vlreward_paddle.modeling.policy import Policy

    hf = json.loads((ROOT / "tests/cases/paddle/qwen2_5_vl/config.json").read_text())
    hf["text_config"] |= {"vocab_size": VOCABULARY, "hidden_size": 64}
    hf["vision_config"]["out_hidden_size"] = 64
    hf["text_config"]["rope_parameters"]["mrope_section"] = [2, 3, 3]
    model = Policy(to_paddle(hf))
    model.train()
    ids = paddle.randint(8, VOCABULARY, [2, 128])
    prompts = {"input_ids": ids[:, :96], "attention_mask": paddle.ones_like(ids[:, :96])}
    inputs = {"input_ids": ids, "attention_mask": paddle.ones_like(ids)}

    def log_softmax(logits: Any) -> Any:
        # As large as `F.log_softmax`, whose kernel for CPUs takes minutes here.
        return logits - paddle.logsumexp(logits, axis=-1, keepdim=True)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if way == "ours":
        asked = TokenLogProbs(ids[:, 96:], chunk_size=16)
        logps, _ = completion_logprobs(model, prompts, asked)
        logps.mean().backward()
    else:
        reference = copy.deepcopy(model)
        with paddle.no_grad():
            log_softmax(reference(**inputs).logits[:, :-1])
        everything = log_softmax(model(**inputs).logits[:, :-1])
        chosen = paddle.take_along_axis(everything, ids[:, 1:].unsqueeze(-1), axis=-1)
        chosen.squeeze(-1)[:, 95:].mean().backward()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024


if __name__ == "__main__":
    main()
