"""The Trainer to build on: paddleformers', or that of paddlenlp 3.0 where only it is installed.

Both are the same code at different ages. Their launch options have different names and defaults;
`launch_options` knows them, and nothing else here does.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

from vlreward.errors import OptionError

__all__ = [
    "LIBRARY",
    "REPORTS",
    "EarlyStoppingCallback",
    "PrinterCallback",
    "Trainer",
    "TrainerCallback",
    "TrainingArguments",
    "check_options",
    "launch_options",
]


def _library() -> str:
    chosen = os.environ.get("VLREWARD_PADDLE_TRAINER")
    known = ("paddleformers", "paddlenlp")
    if chosen is not None:
        if chosen not in known:
            raise ImportError(
                f"expected VLREWARD_PADDLE_TRAINER to be {' or '.join(known)}, got {chosen!r}"
            )
        return chosen
    for name in known:
        if importlib.util.find_spec(name) is not None:
            return name
    raise ImportError(
        "the Paddle backend needs paddleformers: pip install 'vlreward[paddle]' (or paddlenlp: "
        "pip install 'vlreward[paddlenlp]')"
    )


LIBRARY = _library()
"""`paddleformers` or `paddlenlp`; the variable VLREWARD_PADDLE_TRAINER chooses where both are."""

_trainer = importlib.import_module(f"{LIBRARY}.trainer")
EarlyStoppingCallback = _trainer.EarlyStoppingCallback
PrinterCallback = _trainer.PrinterCallback
Trainer = _trainer.Trainer
TrainerCallback = _trainer.TrainerCallback
TrainingArguments = _trainer.TrainingArguments
REPORTS: tuple[str, ...] = tuple(
    importlib.import_module(f"{LIBRARY}.trainer.integrations").INTEGRATION_TO_CALLBACK
)
"""What the library can report to."""

_FORMERS = {
    "tensor_parallel_degree": "tensor_model_parallel_size",
    "pipeline_parallel_degree": "pipeline_model_parallel_size",
    "sharding_parallel_degree": "sharding_parallel_size",
    "sep_parallel_degree": "sep_parallel_size",
}
"""Names of paddleformers for options of paddlenlp."""
_NAMES = {"paddleformers": _FORMERS, "paddlenlp": {new: old for old, new in _FORMERS.items()}}


def launch_options(options: dict[str, Any], library: str = LIBRARY) -> dict[str, Any]:
    """Options of `TrainingArguments` under the library's own names, with this backend's defaults.

    Understands the names of both libraries, and `gradient_checkpointing` and `recompute` for the
    same thing. Defaults set here: no sharding (paddleformers' is `stage1`); checkpoints that
    resume bit-exactly; master gradients with bf16 only, as they mean nothing without, and only
    with them stage1 that splits parameters, as paddleformers insists.

    Args:
        options: Options by name.
        library: `paddleformers` or `paddlenlp`.

    Example:
        >>> launch_options({"recompute": True, "sharding_parallel_degree": 8}, "paddleformers")[
        ...     "sharding_parallel_size"]
        8
    """
    names = _NAMES[library]
    made = {names.get(name, name): value for name, value in options.items()}
    recompute = made.pop("gradient_checkpointing", None) or made.pop("recompute", None)
    made.pop("recompute", None)
    made.setdefault("sharding", "")
    half = bool(made.get("bf16") or made.get("fp16"))
    made.setdefault("amp_master_grad", half)
    if half:
        made.setdefault("fp16_opt_level", "O2")
    if library == "paddleformers":
        made.setdefault("split_param", bool(made["amp_master_grad"]))
        made.setdefault("save_checkpoint_format", "unified_checkpoint")
        made.setdefault("load_checkpoint_format", "unified_checkpoint")
        if recompute:
            made |= {
                "recompute_granularity": "full",
                "recompute_method": "uniform",
                "recompute_num_layers": 1,
            }
    else:
        made.setdefault("unified_checkpoint", True)
        if recompute is not None:
            made["recompute"] = bool(recompute)
    return made


_PARALLEL = ("tensor", "pipeline", "sep", "context", "expert")


def check_options(options: dict[str, Any], *, gpu: bool) -> None:
    """Refuse what the libraries would accept and this backend or this machine cannot do.

    Args:
        options: What `launch_options` gave.
        gpu: Whether there are GPUs.

    Raises:
        OptionError: Says what to use instead.
    """
    for name, value in options.items():
        if name.startswith(_PARALLEL) and name.endswith(("_size", "_degree")) and int(value) > 1:
            raise OptionError(
                f"--{name} {value}: this backend samples from whole models; spread optimizer and "
                "gradients instead (--sharding stage2), or train an adapter (--use_peft)"
            )
    sharding = str(options["sharding"] or "")
    if "stage3" in sharding or "offload" in sharding:
        raise OptionError(
            f"--sharding {sharding!r}: this backend samples from whole weights on each device; "
            "use stage2 or stage1, or train an adapter (--use_peft)"
        )
    if wrong := set(sharding.split()) - {"stage1", "stage2"}:
        raise OptionError(
            f"--sharding: expected auto, stage1, stage2 or '' for none, got {min(wrong)!r}"
        )
    if "stage2" in sharding and not gpu:
        raise OptionError(
            "--sharding stage2: Paddle has it for GPUs alone, and sees none here; use "
            "--sharding stage1, or none (--sharding '', SHARDING= with the scripts)"
        )
    half = options.get("bf16") or options.get("fp16")
    if half and options["fp16_opt_level"] != "O2":
        raise OptionError(
            f"--fp16_opt_level {options['fp16_opt_level']}: expected O2, which alone keeps float32 "
            "copies of half-precision weights; small steps would vanish without"
        )
