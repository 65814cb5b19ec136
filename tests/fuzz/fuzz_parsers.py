"""Coverage-guided fuzzing of every parser of text, with atheris.

    pip install atheris
    python tests/fuzz/fuzz_parsers.py tests/fuzz/corpus_parsers -dict=tests/fuzz/parsers.dict

`tests/parsers/test_hostile.py` replays the corpus without atheris.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["vlreward.parsers"]):
    from parser_checks import check

if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
