"""What generation, a GRPO step and its memory cost on Paddle.

    TORCH_PYTHON=path/to/python python benchmarks/paddle_step.py \\
        --out benchmarks/results/paddle_step.json

Three comparisons in one run, on the CPU with one thread:

- generation of this backend beside paddleformers' model as it comes, same weights, same tokens;
- an optimizer step beside that of the TRL backend: two processes with the same options take steps
  in turn, so that what else the machine does meets both. TORCH_PYTHON names the Python of an
  environment with torch and trl; without it this part is left out, and said so;
- peak memory of a forward and backward pass beside the way of PaddleMIX's trainer: log-softmax
  over the whole vocabulary for prompt and completion, and a copy of the model as reference.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
for _path in (ROOT, ROOT / "backends/paddle", ROOT / "backends/trl", ROOT / "benchmarks"):
    sys.path.insert(0, str(_path))
MODEL = ROOT / "vlreward/data/tiny_vlm/sft"
VOCABULARY = 151_936


def main() -> None:
    """Measure all three and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--skip", type=int, default=2, help="first steps, which warm up")
    parser.add_argument("--worker", choices=["paddle", "trl", "ours", "original"])
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    if options.worker in ("paddle", "trl"):
        take_steps(options.worker, options.work, options.steps)
        return
    if options.worker is not None:
        print(json.dumps(peak_memory(options.worker)))
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    from device import describe_device

    result: dict[str, Any] = {"machine": describe_device(), "threads": 1}
    result["generation"] = json.loads(_child("generation"))
    result["step"] = steps_in_turn(options.steps, options.skip)
    ours, original = (json.loads(_python("--worker", way)) for way in ("ours", "original"))
    result["memory"] = {
        "what": f"2 rows of 96 prompt and 32 completion tokens, vocabulary of {VOCABULARY:,}",
        "ours_mib": ours,
        "original_mib": original,
        "ratio": round(ours / original, 4),
    }
    text = json.dumps(result, indent=1) + "\n"
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


def _python(*words: str, python: str = sys.executable) -> str:
    """The last line that this file prints in a process of its own."""
    done = subprocess.run(
        [python, "-W", "ignore", __file__, *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip().splitlines()[-1]


def _child(name: str) -> str:
    code = f"import paddle_step as p, json; print(json.dumps(p.{name}()))"
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


def steps_in_turn(steps: int, skip: int) -> dict[str, Any]:
    """Optimizer steps of both backends, one at a time."""
    torch_python = os.environ.get("TORCH_PYTHON")
    if torch_python is None:
        return {"left_out": "TORCH_PYTHON names no Python with torch and trl"}
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
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
        for _ in range(steps):
            for name, worker in workers.items():
                assert worker.stdin is not None
                assert worker.stdout is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
                for line in worker.stdout:
                    if line.startswith("STEP "):
                        taken[name].append(json.loads(line[5:]))
                        break
        for worker in workers.values():
            worker.communicate(timeout=120)
    result: dict[str, Any] = {
        "what": "16 completions of at most 48 tokens of 2 questions, beta 0, packaged tiny model",
        "steps": steps - skip,
    }
    for kind in ("wall", "cpu"):
        ours, theirs = ([s[kind] for s in taken[name][skip:]] for name in ("paddle", "trl"))
        result[kind] = {
            "paddle_seconds": round(statistics.median(ours), 3),
            "trl_seconds": round(statistics.median(theirs), 3),
            "ratio_of_sums": round(sum(ours) / sum(theirs), 3),
        }
    return result


def take_steps(name: str, work: Path, steps: int) -> None:
    """Train in one backend; wait for a line before each step, and say what it took."""
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
    started = [0.0, 0.0]

    def begin() -> None:
        sys.stdin.readline()
        started[:] = [time.perf_counter(), time.process_time()]

    class Turn(callback):  # type: ignore[misc,valid-type]
        """Ends a step, and waits for the next one to be allowed."""

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            spent = {
                "wall": time.perf_counter() - started[0],
                "cpu": time.process_time() - started[1],
            }
            print("STEP " + json.dumps(spent), flush=True)
            begin()

    trainer = training.build_trainer(prepare(parse(words)))
    trainer.add_callback(Turn())
    begin()
    trainer.train()


def peak_memory(way: str) -> int:
    """MiB that a forward and backward pass needs on top of the model, of a large vocabulary."""
    import copy

    import paddle

    from vlreward_paddle.logprobs import TokenLogProbs, completion_logprobs
    from vlreward_paddle.modeling.config import to_paddle
    from vlreward_paddle.modeling.qwen2_5_vl import Qwen2_5_VLPolicy

    hf = json.loads((ROOT / "tests/cases/paddle/qwen2_5_vl/config.json").read_text())
    hf["text_config"] |= {"vocab_size": VOCABULARY, "hidden_size": 64}
    hf["vision_config"]["out_hidden_size"] = 64
    hf["text_config"]["rope_parameters"]["mrope_section"] = [2, 3, 3]
    model = Qwen2_5_VLPolicy(to_paddle(hf))
    model.train()
    ids = paddle.randint(8, VOCABULARY, [2, 128])
    inputs = {"input_ids": ids, "attention_mask": paddle.ones_like(ids)}

    def log_softmax(logits: Any) -> Any:
        # As large as `F.log_softmax`, whose kernel for CPUs takes minutes here.
        return logits - paddle.logsumexp(logits, axis=-1, keepdim=True)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if way == "ours":
        asked = TokenLogProbs(ids[:, 96:], chunk_size=16)
        logps, _ = completion_logprobs(model, inputs, asked)
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
