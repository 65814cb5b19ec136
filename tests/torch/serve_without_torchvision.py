"""Runs the command line of transformers where torchvision is missing.

`transformers serve` loads processors by `AutoProcessor`, which needs torchvision for the video
part of the Qwen-VL processors. Here it gets processors without that part; all else is stock.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import transformers
from transformers.cli.transformers import main

from vlreward.engines.processor import load_processor


def _from_pretrained(name: str, **options: Any) -> object:
    options.pop("trust_remote_code", None)
    return load_processor(name, **options)


if __name__ == "__main__":
    if importlib.util.find_spec("torchvision") is None:
        transformers.AutoProcessor.from_pretrained = staticmethod(_from_pretrained)
    main()
