"""Coverage-guided fuzzing of the verifier's exact tier, with atheris.

    pip install atheris
    python tests/fuzz/fuzz_verify.py tests/fuzz/corpus_verify -dict=tests/fuzz/verify.dict

`tests/verify/test_corpus.py` replays the corpus without atheris.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["vlreward.verify"]):
    from verify_checks import check

if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
