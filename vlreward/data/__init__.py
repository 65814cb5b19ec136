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

# ruff: noqa: F403

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.data.dataset import *
    from vlreward.data.errors import *
    from vlreward.data.loaders import *
    from vlreward.data.manifest import *
    from vlreward.data.missing import *
    from vlreward.data.mixture import *
    from vlreward.data.sampling import *
    from vlreward.schema import *

_NAMES, _load, __dir__ = lazy_names(
    __name__,
    {
        "dataset": "Dataset Provenance",
        "errors": "DataError MissingImagesError RowProblem UnknownSchemaError",
        "loaders": "load",
        "manifest": "Manifest",
        "missing": "check_images",
        "mixture": "load_mixture",
        "sampling": "Sampler Strategy",
        "vlreward.schema": "Schema",
    },
)
__all__ = [*_NAMES, "SCHEMAS", "STANDARD_COUNTS"]  # noqa: F405


def __getattr__(name: str) -> Any:
    if name == "SCHEMAS":  # made of the tasks, which are loaded when it is asked for
        from vlreward.data.schemas import all_schemas

        return all_schemas()
    if name == "STANDARD_COUNTS":
        from vlreward.data.manifest import standard_counts

        return standard_counts()
    return _load(name)
