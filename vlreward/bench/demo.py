"""`vlreward-bench demo`: the whole path on something that ships with the package."""

from __future__ import annotations

import importlib.util
from importlib.resources import as_file, files
from pathlib import Path

from vlreward.bench.command import run_command
from vlreward.bench.options import RunOptions

__all__ = ["run_demo"]

RECORDED = ("refcoco_val", "superclevr_test200", "geoqa_test")
SCENES = ("scenes_rec_test", "scenes_count_test", "scenes_geometry_test")
_NEEDED = ("torch", "transformers")


def run_demo(
    out: Path, *, samples: int = 120, recorded: bool = False, overwrite: bool = False
) -> None:
    """Run the demo.

    Args:
        out: Directory for all files of the run.
        samples: Scenes of each task that the packaged model is asked about.
        recorded: Score the packaged recorded completions even if torch is installed.
        overwrite: Replace another run that `out` holds.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if recorded or missing:
        _recorded(out, overwrite)
        if missing:
            print(
                f"\nThese were recorded completions; not installed: {', '.join(missing)}. "
                "To see a packaged Qwen2.5-VL answer: pip install 'vlreward[hf]'"
            )
        return
    import torch

    torch.set_num_threads(1)  # a model this small loses more to threads than it gains
    with as_file(files("vlreward.data") / "tiny_vlm" / "sft") as model:
        run_command(
            RunOptions(
                suites=list(SCENES),
                out=out,
                overwrite=overwrite,
                model=str(model),
                family="qwen2.5-vl",
                sample_num=samples,
                batch_size=50,
                max_tokens=96,
                dtype="float32",
                html=True,
            )
        )


def _recorded(out: Path, overwrite: bool) -> None:
    with as_file(files("vlreward.bench") / "demo_data") as folder:
        run_command(
            RunOptions(
                suites=list(RECORDED),
                out=out,
                overwrite=overwrite,
                completions=[folder / f"{suite}.jsonl" for suite in RECORDED],
                html=True,
            )
        )
