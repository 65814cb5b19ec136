"""The command `vlreward-bench`."""

from __future__ import annotations

from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from vlreward.bench.command import run_command
from vlreward.bench.options import RunOptions
from vlreward.command_line import DefaultGroup, Version
from vlreward.options import as_command

__all__ = ["app"]

app = typer.Typer(
    cls=DefaultGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Benchmark vision-language models on tasks whose answers can be verified.

    [bold]vlreward-bench refcoco_val --model MODEL --data-root DIR --image-root DIR[/bold] asks a \
model.

    [bold]vlreward-bench refcoco_val --completions FILE[/bold] scores recorded completions.

    [bold]vlreward-bench demo[/bold] shows it on something that ships with the package.

    [bold]vlreward-bench --config run.yaml[/bold] takes its options from a file.

    [bold]vlreward-bench run --help[/bold] lists all options ("run" may be left out).

    Rules are [bold]strict[/bold] or those of published work ([bold]--protocol[/bold] vlm-r1, \
paddlemix, r1-v); boxes and points are read in the frame of the model's family, which \
[bold]vlreward families[/bold] lists. A key for an endpoint is read from the environment variable \
OPENAI_API_KEY, and from nowhere else.

    Exit codes: 0 done; 1 --expect not met; 2 bad input; 3 the engine failed; 130 interrupted, \
what was answered is kept.
    """,
)


@app.callback()
def main(version: Version = False) -> None:
    """Give the options that stand before a command."""


def run(options: RunOptions) -> None:
    """Ask a model, or read recorded completions; score, print a table, write the results.

    A run that stopped goes on where it was when started again with the same options.

    Exit codes: 0 done; 1 --expect not met; 2 bad input, nothing is written; 3 the engine failed \
or too many samples stayed unanswered, what was answered is kept.
    """
    run_command(options)


app.command("run")(as_command(RunOptions, run))


@app.command("demo")
def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Directory for all files of the run.")
    ] = Path("vlreward-demo"),
    samples: Annotated[int, typer.Option(help="Scenes of each task.", min=3)] = 120,
    recorded: Annotated[
        bool,
        typer.Option("--recorded", help="Score recorded completions even if torch is there."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another run that --out holds.")
    ] = False,
) -> None:
    """See the whole path on something that ships with the package.

    With the extra `hf`: the packaged 3.9-million-parameter Qwen2.5-VL answers questions on \
synthetic scenes. Without: recorded completions of published models are scored.
    """
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if recorded or missing:
        suites = ["refcoco_val", "superclevr_test200", "geoqa_test"]
        with as_file(files("vlreward.bench") / "demo_data") as folder:
            rows = [folder / f"{suite}.jsonl" for suite in suites]
            run_command(
                RunOptions(suites=suites, out=out, overwrite=overwrite, completions=rows, html=True)
            )
        if missing:
            print(
                f"\nThese were recorded completions; not installed: {', '.join(missing)}. "
                "To see a packaged Qwen2.5-VL answer: pip install 'vlreward[hf]'"
            )
        return
    import torch

    torch.set_num_threads(1)  # a model this small loses more to threads than it gains
    with as_file(files("vlreward.data") / "tiny_vlm" / "sft") as model:
        suites = ["scenes_rec_test", "scenes_count_test", "scenes_geometry_test"]
        run_command(
            RunOptions.packaged(suites, model, out, samples, overwrite=overwrite, html=True)
        )


@app.command("list")
def list_suites() -> None:
    """Describe the suites by task, where their data come from, the protocols and the prompts."""
    from vlreward.bench.table import print_catalogue

    print_catalogue()


if __name__ == "__main__":
    app()
