"""The options of `vlreward-bench run`, declared once for the API and the command line."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vlreward.bench.config_file import read_config
from vlreward.command_line import PROTOCOLS, AnswerOptions, ReadOptions, data_option
from vlreward.engines.config import EngineConfig
from vlreward.errors import OptionError
from vlreward.options import flag

__all__ = ["ASKING_FIELDS", "RunOptions"]

_engine, _rules, _output = (
    partial(typer.Option, rich_help_panel=panel) for panel in ("Engine", "Rules", "Output")
)


def _from_config(context: typer.Context, path: Path | None) -> Path | None:
    if path is not None:
        context.default_map = read_config(path, RunOptions)
    return path


@dataclass(frozen=True, kw_only=True)
class RunOptions(EngineConfig, ReadOptions, AnswerOptions):
    """What a run is told; `vlreward-bench run --help` shows it with those of engines and of rows.

    Raises:
        OptionError: If a value is out of its range, or an option would be ignored.
    """

    suites: Annotated[
        list[str],
        typer.Argument(
            help="Suites; [bold]vlreward-bench list[/bold] shows them. A task's name takes rows of "
            "your own, by --data or --completions."
        ),
    ]
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="YAML file with any of these options; those given here have precedence. Every "
            "run writes its own into config.yaml.",
            is_eager=True,
            callback=_from_config,
        ),
    ] = None
    completions: Annotated[
        list[Path] | None,
        data_option(
            "--completions",
            "-c",
            help="Score these recorded completions (.json, .jsonl, .tsv, .csv, .xlsx, .parquet, or "
            "inspect's .eval) and ask no model: one file for each suite, in order.",
        ),
    ] = None
    data: Annotated[
        list[Path] | None,
        data_option(
            help="Data file of each suite, in order, in place of its own under --data-root; with "
            "--completions, the golds of files that come without."
        ),
    ] = None
    split: Annotated[str | None, data_option(help="Split of --data, if not the suite's own.")] = (
        None
    )
    data_root: Annotated[Path | None, data_option(help="Directory of the suites' data files.")] = (
        None
    )
    image_root: Annotated[
        Path | None,
        data_option(
            help="Directory that image names are relative to. Default: the data root, or that of "
            "--data."
        ),
    ] = None
    sample_num: Annotated[
        int | None, data_option(help="Draw this many samples of each suite.", min=1)
    ] = None
    seed: Annotated[int | None, data_option(help="Seed of --sample-num, and of the engine.")] = 42
    draw: Annotated[
        Literal["per-dataset", "chained"],
        data_option(
            "--sampling",
            help="per-dataset: seed anew for each suite; chained: seed once, as PaddleMIX's "
            "evaluation does.",
        ),
    ] = "per-dataset"
    limit: Annotated[int | None, data_option(help="Take the first samples only.", min=1)] = None
    on_bad_image: Annotated[
        Literal["error", "skip"],
        data_option(
            help="skip leaves out and counts samples whose image is damaged, too large or too "
            "narrow; by default each is a sample without an answer."
        ),
    ] = "error"
    engine: Annotated[
        str,
        _engine(
            help="hf (transformers in this process), openai (an endpoint: vLLM, SGLang, "
            "FastDeploy, transformers serve), vllm (in this process), paddle, or a plug-in's."
        ),
    ] = "hf"
    samples: Annotated[
        int,
        _engine(
            help="Answers to each question, drawn at --temperature: pass@k, maj@k and the spread "
            "stand beside the accuracy.",
            min=1,
            max=10_000,
        ),
    ] = 1
    max_error_rate: Annotated[
        float,
        _engine(
            help="Share of samples that may stay unanswered; one more stops the run.", min=0, max=1
        ),
    ] = 0.01
    protocol: Annotated[str, _rules(help=PROTOCOLS)] = "strict"
    method: Annotated[
        Literal["r1", "baseline"] | None,
        _rules(
            help="Where answers stand: r1 (in the answer tag) or baseline (anywhere); also "
            "chooses the suite's prompt. Default: as --prompt says, else r1."
        ),
    ] = None
    prompt: Annotated[str | None, _rules(help="Prompt preset, in place of the suite's.")] = None
    clip: Annotated[
        bool,
        _rules("--clip", help="Clip answers to their frame; by default those that leave it fail."),
    ] = False
    controls: Annotated[
        bool,
        _rules(
            "--controls",
            help="Add blind controls as rows: constant answers, the centre box; with a model "
            "also its answers to shuffled images.",
        ),
    ] = False
    out: Annotated[Path, _output("--out", "-o", help="Directory for all files of the run.")] = Path(
        "out"
    )
    overwrite: Annotated[
        bool, _output("--overwrite", help="Replace another run that --out holds.")
    ] = False
    expect: Annotated[
        list[str] | None,
        _output(
            help="Exit with 1 unless the accuracy is as stated: 0.886+-0.02, or "
            "refcoco_val=0.886+-0.02."
        ),
    ] = None
    format: Annotated[
        Literal["lm-eval", "inspect"] | None,
        _output(help="Also write lm-eval's files, or logs that `inspect view` opens."),
    ] = None
    html: Annotated[bool, _output("--html", help="Also write report.html.")] = False

    @classmethod
    def packaged(cls, suites: list[str], model: Path, out: Path, n: int, **more: Any) -> RunOptions:
        """Options for a packaged model, or one trained from it, and `n` samples of each suite."""
        return cls(
            suites=suites,
            model=str(model),
            out=out,
            sample_num=n,
            family="qwen2.5-vl",
            batch_size=50,
            max_tokens=96,
            dtype="float32",
            **more,
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.suites)) < len(self.suites):
            raise OptionError(f"expected suites that differ, got {', '.join(self.suites)}")
        for name in ("completions", "data"):
            files = getattr(self, name)
            if files and len(files) != len(self.suites):
                raise OptionError(
                    f"expected one {flag(RunOptions, name)} file for each of the "
                    f"{len(self.suites)} suites, got {len(files)}"
                )
        if self.completions:
            useless = ASKING_FIELDS if self.data else {*ASKING_FIELDS, "schema"}
            self.refuse("recorded completions (--completions)", useless)
        elif self.model is None and self.engine != "openai":
            raise OptionError(
                "give a model to ask (--model NAME_OR_PATH) or recorded completions to score "
                "(--completions FILE)"
            )
        if self.temperature == 0:
            self.refuse("greedy decoding (--temperature 0)", {"top_p", "samples"})


_OF_ANSWERS = {"family", "min_pixels", "max_pixels"}
"""What recorded answers take of an engine's options: how images were shown to the model."""
ASKING_FIELDS = frozenset(
    {
        *({field.name for field in dataclasses.fields(EngineConfig)} - _OF_ANSWERS),
        *("sample_num", "draw", "limit", "on_missing", "on_bad_image", "on_bad_gold", "allow_urls"),
        *("where", "split", "engine", "samples", "max_error_rate"),
    }
)
"""What matters only where a model is asked."""
