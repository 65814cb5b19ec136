"""Loaders for the data sets that the tasks are measured on, and synthetic scenes.

Example:
    >>> import json, tempfile
    >>> row = {"image_path": "a.png", "question": "How many cups?", "ground_truth": 3}
    >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
    ...     _ = file.write(json.dumps(row))
    ...     file.flush()
    ...     data = load(file.name)
    >>> data.provenance.schema, data[0].target
    ('r1-v', 3)
"""

from typing import Any

from vlreward.data.dataset import Dataset, Provenance
from vlreward.data.errors import DataError, MissingImagesError, RowProblem, UnknownSchemaError
from vlreward.data.loaders import load
from vlreward.data.manifest import Manifest, standard_counts
from vlreward.data.missing import check_images
from vlreward.data.mixture import load_mixture
from vlreward.data.sampling import Sampler, Strategy
from vlreward.data.schemas import all_schemas
from vlreward.schema import Schema

__all__ = [
    "SCHEMAS",
    "STANDARD_COUNTS",
    "DataError",
    "Dataset",
    "Manifest",
    "MissingImagesError",
    "Provenance",
    "RowProblem",
    "Sampler",
    "Schema",
    "Strategy",
    "UnknownSchemaError",
    "check_images",
    "load",
    "load_mixture",
]


def __getattr__(name: str) -> Any:
    if name == "SCHEMAS":  # made of the tasks, which are loaded when it is asked for
        return all_schemas()
    if name == "STANDARD_COUNTS":
        return standard_counts()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
