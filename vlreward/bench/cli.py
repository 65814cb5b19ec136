"""The command `vlreward-bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlreward.bench.command import RunOptions, run_command
from vlreward.command_line import DefaultGroup, Family, FrameOption, Version

__all__ = ["app"]

_ENGINE = "Engine"
_DATA = "Data"
_RULES = "Rules"
_OUTPUT = "Output"
_defaults = RunOptions(suites=[])

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

    [bold]vlreward-bench run --help[/bold] lists all options ("run" may be left out).
    """,
)


@app.callback()
def main(version: Version = False) -> None:
    """Give the options that stand before a command."""


@app.command("run")
def run(
    suites: Annotated[
        list[str], typer.Argument(help="Suites; [bold]vlreward-bench list[/bold] shows them.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Directory for all files of the run.", rich_help_panel=_OUTPUT
        ),
    ] = _defaults.out,
    completions: Annotated[
        list[Path] | None,
        typer.Option(
            "--completions",
            "-c",
            help="Score these recorded completions (.json, .jsonl or .tsv) and ask no model: one "
            "file for each suite, in order.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Data file of each suite, in order, in place of its own under --data-root; with "
            "--completions, the golds of files that come without.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="Directory of the suites' data files.", rich_help_panel=_DATA),
    ] = None,
    image_root: Annotated[
        Path | None,
        typer.Option(
            help="Directory that image names are relative to. Default: the data root.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    sample_num: Annotated[
        int | None,
        typer.Option(help="Draw this many samples of each suite.", min=1, rich_help_panel=_DATA),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the draw.", rich_help_panel=_DATA)
    ] = _defaults.seed,
    sampling: Annotated[
        str,
        typer.Option(
            help="per-dataset: seed anew for each suite; chained: seed once, as PaddleMIX's "
            "evaluation does.",
            rich_help_panel=_DATA,
        ),
    ] = _defaults.sampling,
    limit: Annotated[
        int | None,
        typer.Option(help="Take the first samples only.", min=1, rich_help_panel=_DATA),
    ] = None,
    on_missing: Annotated[
        str,
        typer.Option(
            help="error or skip samples whose image is missing; never another in its place.",
            rich_help_panel=_DATA,
        ),
    ] = _defaults.on_missing,
    flat_images: Annotated[
        bool,
        typer.Option(
            "--flat-images",
            help="Look for images directly in the image root, under their base names.",
            rich_help_panel=_DATA,
        ),
    ] = False,
    engine: Annotated[
        str,
        typer.Option(
            help="hf (transformers in this process), openai (an endpoint: vLLM, SGLang, "
            "FastDeploy, transformers serve), paddle, or a plug-in's.",
            rich_help_panel=_ENGINE,
        ),
    ] = _defaults.engine,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Hub name or path, or served name.", rich_help_panel=_ENGINE
        ),
    ] = None,
    base_url: Annotated[
        str, typer.Option(help="openai: address up to /v1.", rich_help_panel=_ENGINE)
    ] = _defaults.base_url,
    max_tokens: Annotated[
        int, typer.Option(help="Largest number of generated tokens.", rich_help_panel=_ENGINE)
    ] = _defaults.max_tokens,
    temperature: Annotated[
        float, typer.Option(help="0 is greedy decoding.", rich_help_panel=_ENGINE)
    ] = _defaults.temperature,
    batch_size: Annotated[
        int, typer.Option(help="hf: requests generated together.", rich_help_panel=_ENGINE)
    ] = _defaults.batch_size,
    dtype: Annotated[
        str, typer.Option(help="hf: torch dtype, or auto.", rich_help_panel=_ENGINE)
    ] = _defaults.dtype,
    attn_implementation: Annotated[
        str | None, typer.Option(help="hf: e.g. flash_attention_2.", rich_help_panel=_ENGINE)
    ] = None,
    device_map: Annotated[
        str | None,
        typer.Option(help="hf: auto spreads a model over GPUs.", rich_help_panel=_ENGINE),
    ] = None,
    min_pixels: Annotated[
        int | None,
        typer.Option(help="Smallest image area in pixels.", rich_help_panel=_ENGINE),
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(help="Largest image area in pixels.", rich_help_panel=_ENGINE)
    ] = None,
    concurrency: Annotated[
        int, typer.Option(help="openai: requests in flight.", rich_help_panel=_ENGINE)
    ] = _defaults.concurrency,
    requests_per_minute: Annotated[
        float | None, typer.Option(help="openai: rate limit.", rich_help_panel=_ENGINE)
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="openai: seconds per answer.", rich_help_panel=_ENGINE)
    ] = _defaults.timeout,
    tries: Annotated[
        int, typer.Option(help="openai: how often to send.", rich_help_panel=_ENGINE)
    ] = _defaults.tries,
    max_error_rate: Annotated[
        float,
        typer.Option(help="Share of samples that may stay unanswered.", rich_help_panel=_ENGINE),
    ] = _defaults.max_error_rate,
    protocol: Annotated[
        str,
        typer.Option(help="strict, vlm-r1, paddlemix or r1-v.", rich_help_panel=_RULES),
    ] = _defaults.protocol,
    method: Annotated[
        str | None,
        typer.Option(
            help="Where answers stand: r1 (in the answer tag) or baseline (anywhere); also "
            "chooses the suite's prompt. Default: as --prompt says, else r1.",
            rich_help_panel=_RULES,
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="Prompt preset, in place of the suite's.", rich_help_panel=_RULES),
    ] = None,
    frame: FrameOption = None,
    family: Family = None,
    clip: Annotated[
        bool,
        typer.Option(
            "--clip",
            help="Clip boxes to their frame; by default they fail.",
            rich_help_panel=_RULES,
        ),
    ] = False,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls",
            help="Add blind controls as rows: constant answers, the centre box; with a model "
            "also its answers to shuffled images.",
            rich_help_panel=_RULES,
        ),
    ] = False,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with 1 unless the accuracy is as stated: 0.886+-0.02, or "
            "refcoco_val=0.886+-0.02.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="lm-eval: also write its files.", rich_help_panel=_OUTPUT),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Also write report.html.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Ask a model, or read recorded completions; score, print a table, write the results.

    A run that stopped goes on where it was when started again with the same options.

    Exit codes: 0 done; 1 --expect not met; 2 bad input, nothing is written; 3 the engine failed \
or too many samples stayed unanswered, what was answered is kept.
    """
    run_command(RunOptions(**{k.rstrip("_"): v for k, v in locals().items()}))


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
) -> None:
    """See the whole path on something that ships with the package.

    With the extra `hf`: the packaged 3-million-parameter Qwen2.5-VL answers questions on \
synthetic scenes. Without: recorded completions of published models are scored.
    """
    from vlreward.bench.demo import run_demo

    run_demo(out, samples=samples, recorded=recorded)


@app.command("list")
def list_suites() -> None:
    """Describe the suites, the protocols and the prompt presets."""
    from vlreward.bench.table import print_catalogue

    print_catalogue()


if __name__ == "__main__":
    app()
