"""LoRA adapters: what they adapt, and merging them into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlreward._text import one_line
from vlreward.engines.torn import check_whole
from vlreward.engines.values import EngineError
from vlreward.errors import OptionError

__all__ = ["base_of", "merged", "save_merged"]

_CONFIG = "adapter_config.json"


def base_of(name: str, declared: str | None = None) -> str | None:
    """The model that an adapter adapts; None if `name` is no adapter.

    Args:
        name: A directory, or a name on the Hub, which is taken for an adapter if a base is
            declared.
        declared: The base, in place of the one that the adapter names.

    Raises:
        OptionError: If a base is declared for a directory that holds a whole model.
        EngineError: If the adapter does not say its base, or that is a directory that is not there,
            or if a file of it is torn.
    """
    path = Path(name).expanduser()
    if path.is_dir() and ((path / "config.json").is_file() or not (path / _CONFIG).is_file()):
        if declared is not None:
            raise OptionError(
                f"--base-model: expected an adapter in {name!r}, with {_CONFIG}, got a directory "
                "that holds none, or a whole model"
            )
        return None
    check_whole(path)
    if declared is not None or not path.is_dir():
        return declared
    try:
        base = json.loads((path / _CONFIG).read_bytes())["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        base = None
    if not base or (Path(base).is_absolute() and not Path(base).is_dir()):
        raise EngineError(
            f"the adapter in {name!r} was trained on {base!r}, which is not there: name the model "
            "that it adapts by --base-model"
        )
    return str(base)


def merged(model: Any, adapter: str) -> Any:
    """The model with an adapter merged into its weights.

    Raises:
        ImportError: If peft is missing.
        EngineError: If the adapter does not fit the model, or cannot be read.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ImportError(f"the adapter {adapter!r} needs peft: pip install peft") from error
    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except (OSError, ValueError, RuntimeError) as error:
        raise EngineError(
            f"the adapter {adapter!r} does not fit its base: {one_line(error)}. Name the model "
            "that it was trained on by --base-model"
        ) from error


def save_merged(
    adapter: str, out: Path, *, base_model: str | None = None, dtype: str | None = None
) -> Path:
    """Write the model that an adapter and its base make, with the adapter's processor.

    It is merged in float32, and written in the type of the base or the one that is asked for.

    Args:
        out: Directory to write, which must be empty or not there.
        base_model: The base, in place of the one that the adapter names.

    Raises:
        OptionError: If there is no adapter, or `out` is not empty.
        EngineError: If something cannot be opened.
    """
    from vlreward.engines.checkpoint import import_torch, open_model, open_processor
    from vlreward.engines.hf import dtype_of
    from vlreward.engines.processor import save_with_video

    base = base_of(adapter, base_model)
    if base is None:
        raise OptionError(f"expected a directory with {_CONFIG}, got {adapter!r}")
    if out.exists() and any(out.iterdir()):
        raise OptionError(f"--out: expected a directory that is empty or not there, got {out}")
    torch, transformers = import_torch()
    processor = open_processor(adapter, base=base)
    own = transformers.AutoConfig.from_pretrained(base).dtype
    model = merged(open_model(base, {"dtype": torch.float32}), adapter)
    wanted = own if dtype is None else dtype_of(torch, dtype)
    if isinstance(wanted, torch.dtype):
        model = model.to(wanted)
    model.save_pretrained(out)
    save_with_video(processor, Path(base))
    processor.save_pretrained(out)
    return out
