"""Opening a checkpoint with transformers: what identifies it, and errors that name the remedy."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlreward._text import one_line
from vlreward.engines.adapters import merged
from vlreward.engines.processor import PROCESSOR_FILES, load_processor
from vlreward.engines.torn import check_whole
from vlreward.engines.values import EngineError, NoModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "fingerprint",
    "import_torch",
    "open_config",
    "open_model",
    "open_processor",
]

_CHUNKS, _CHUNK = 64, 4096


def import_torch() -> tuple[Any, Any]:
    """The modules torch and transformers.

    Raises:
        ImportError: If one is missing; names the extra and the pip command.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ImportError(
            f"the engine 'hf' needs torch and transformers ({error}): pip install 'vlreward[hf]'"
        ) from error
    return torch, transformers


def open_config(name: str, **options: Any) -> Any:
    """The configuration of a checkpoint.

    Raises:
        EngineError: If there is no such checkpoint, it is an adapter, or a file of it is torn.
    """
    _, transformers = import_torch()
    _check_directory(name)
    try:
        return transformers.AutoConfig.from_pretrained(name, **options)
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error


def open_model(name: str, options: Mapping[str, Any], base: str | None = None) -> Any:
    """A vision-language model for generation.

    Args:
        base: The model that `name` is an adapter of, if it is one; it is merged into that.

    Raises:
        EngineError: If there is no such checkpoint, it is no vision-language model, it does not
            fit into memory, or an option does not suit it.
    """
    torch, transformers = import_torch()
    if base is not None:
        return merged(open_model(base, options), name).eval()
    _check_directory(name)
    try:
        return transformers.AutoModelForImageTextToText.from_pretrained(name, **options).eval()
    except torch.OutOfMemoryError as error:
        raise EngineError(
            f"the model {name!r} does not fit into the GPU's memory ({one_line(error)}): use "
            "--dtype bfloat16, or --device-map auto to spread it over several GPUs"
        ) from error
    except ImportError as error:
        raise EngineError(
            f"the model {name!r} needs a package that is missing: {one_line(error)}. Install it, "
            "or choose another attention by --attn-implementation sdpa"
        ) from error
    except OSError as error:
        raise _unreadable(name, error) from error
    except ValueError as error:
        raise EngineError(
            f"transformers {transformers.__version__} cannot open {name!r} as a vision-language "
            f"model: {one_line(error)}"
        ) from error


def open_processor(name: str, base: str | None = None, **options: Any) -> Any:
    """The processor of a checkpoint, padding on the left.

    Args:
        base: The model that `name` is an adapter of, if it is one; its processor is taken where
            the adapter's directory has none.

    Raises:
        EngineError: If it has none, or only a tokenizer.
    """
    if base is None:
        _check_directory(name)
    elif not any((Path(name) / file).is_file() for file in PROCESSOR_FILES):
        name = base
    try:
        processor = load_processor(name, config_of=base, **options)
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise EngineError(
            f"no processor could be loaded from {name!r}: {one_line(error)}"
        ) from error
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if getattr(processor, "chat_template", None) is None:
        raise EngineError(
            f"the processor of {name!r} has no chat template: use an instruction-tuned checkpoint"
        )
    return processor


def fingerprint(name: str, model: Any, base: str | None = None) -> str | None:
    """What tells this checkpoint from another under the same name, None if nothing does.

    The commit for a checkpoint from the Hub. For a directory a hash over names and sizes of its
    files and over evenly spread samples of their contents, so that a checkpoint overwritten by
    further training is noticed without reading all of it. Of an adapter, that of its base too.
    """
    if base is not None:
        return f"{fingerprint(name, model)}+{fingerprint(base, model)}"
    directory = Path(name)
    if not directory.is_dir():
        commit = getattr(model.config, "_commit_hash", None)
        return None if commit is None else str(commit)
    digest = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        if not path.is_file() or path.suffix not in (".safetensors", ".bin", ".json", ".jinja"):
            continue
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        step = max(_CHUNK, size // _CHUNKS)
        with open(path, "rb") as file:
            for start in range(0, size, step):
                file.seek(start)
                digest.update(file.read(_CHUNK))
    return digest.hexdigest()[:16]


def _unreadable(name: str, error: Exception) -> EngineError:
    return EngineError(
        f"no checkpoint could be read at {name!r}: {one_line(error).rstrip('.')}. Give the "
        "directory of a checkpoint or its name on the Hub; without network, download it first"
    )


def _check_directory(name: str) -> None:
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file() and (path / "adapter_config.json").is_file():
            raise NoModelError(
                f"expected a whole model in {name!r}, found a LoRA adapter: merge it first, with "
                f"vlreward merge {name} --out DIR"
            )
        if not (path / "config.json").is_file():
            found = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
            raise NoModelError(
                f"expected a checkpoint in {name!r}, but there is no config.json; found {found}"
            )
        check_whole(path)
    elif name.startswith(("/", "./", "../", "~")) or name.count("/") > 1:
        raise NoModelError(f"no directory {name!r}: check the path given by --model")
