"""The scorer that a trainer's process uses, made once for each set of options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from vlreward.integrations.scorer import Scorer
from vlreward.integrations.settings import Settings

__all__ = ["scorer_for"]


@lru_cache(maxsize=64)
def _scorer(fields: str) -> Scorer:
    return Scorer(Settings.model_validate_json(fields))


def scorer_for(defaults: Settings, options: Mapping[str, Any] | None = None) -> Scorer:
    """The scorer for settings, with a trainer's own options in place of some.

    Raises:
        ValueError: If an option is bad; names it.
    """
    settings = defaults.updated(options) if options else defaults
    return _scorer(json.dumps(settings.model_dump(mode="json"), sort_keys=True))
