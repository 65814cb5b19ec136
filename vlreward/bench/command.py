"""What `vlreward-bench run` does, apart from reading its options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from vlreward.data.errors import DataError
from vlreward.errors import UserError
from vlreward.registry import unknown_name

if TYPE_CHECKING:
    from vlreward.bench.evaluate import Evaluation
    from vlreward.engines.base import Engine
    from vlreward.frames import Frame, ModelFamily
    from vlreward.prompts import PromptTemplate
    from vlreward.suite import Suite
    from vlreward.task import TaskSpec
    from vlreward.types import Sample

__all__ = ["ExpectationError", "RunOptions", "finish", "run_command"]


class ExpectationError(UserError, RuntimeError):
    """An accuracy is not what `--expect` states."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True)
class RunOptions:
    """The options of a run; `vlreward-bench run --help` says what each means."""

    suites: Sequence[str]
    out: Path = Path("out")
    completions: Sequence[Path] | None = None
    data: Sequence[Path] | None = None
    data_root: Path | None = None
    image_root: Path | None = None
    sample_num: int | None = None
    seed: int = 42
    sampling: str = "per-dataset"
    limit: int | None = None
    on_missing: str = "error"
    flat_images: bool = False
    engine: str = "hf"
    model: str | None = None
    base_url: str = "http://localhost:8000/v1"
    max_tokens: int = 1024
    temperature: float = 0.0
    batch_size: int = 8
    dtype: str = "auto"
    attn_implementation: str | None = None
    device_map: str | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    concurrency: int = 32
    requests_per_minute: float | None = None
    timeout: float = 600.0
    tries: int = 6
    max_error_rate: float = 0.01
    protocol: str = "strict"
    method: str | None = None
    prompt: str | None = None
    frame: Frame | None = None
    family: str | None = None
    clip: bool = False
    controls: bool = False
    expect: Sequence[str] | None = None
    format: str | None = None
    html: bool = False


@dataclass(frozen=True, slots=True)
class _Expectation:
    suite: str | None
    accuracy: float
    tolerance: float


def run_command(options: RunOptions) -> list[Evaluation]:
    """Score every suite, write the results, print the table.

    Raises:
        DataError, UnknownNameError: Bad input; nothing is written then.
        EngineError, TooManyFailuresError: The engine failed; what was answered is kept.
        ExpectationError: An accuracy is not as stated; everything is written.
    """
    from vlreward.suite import get_suite

    suites = [get_suite(name) for name in options.suites]
    if len(set(options.suites)) < len(suites):
        raise DataError(f"expected suites that differ, got {', '.join(options.suites)}")
    for option, files in (("--completions", options.completions), ("--data", options.data)):
        if files and len(files) != len(suites):
            raise DataError(
                f"expected one {option} file for each of the {len(suites)} suites, got {len(files)}"
            )
    if options.format not in (None, "lm-eval"):
        raise unknown_name("format", str(options.format), ("lm-eval",))
    expectations = [_expectation(text, options.suites) for text in options.expect or ()]
    rules = [_rules(suite, options) for suite in suites]
    evaluations = _recorded(rules, options) if options.completions else _live(rules, options)
    finish(evaluations, options.out, lm_eval=options.format == "lm-eval", html=options.html)
    _check(evaluations, expectations)
    return evaluations


@dataclass(frozen=True)
class _Rules:
    suite: Suite
    spec: TaskSpec
    prompt: PromptTemplate


def _rules(suite: Suite, options: RunOptions) -> _Rules:
    from vlreward.judges import BoxJudge
    from vlreward.prompts import get_prompt
    from vlreward.tasks import get_task

    preset = get_prompt(options.prompt) if options.prompt is not None else None
    method: Any = options.method
    if method is None:
        method = "baseline" if preset is not None and preset.answer_in == "whole" else "r1"
    if method not in ("r1", "baseline"):
        raise unknown_name("method", method, ("r1", "baseline"))
    spec = get_task(suite.task, protocol=options.protocol, method=method)
    if options.clip:
        if not isinstance(spec.judge, BoxJudge):
            raise DataError(f"--clip works on boxes under protocol 'strict', not on {suite.name!r}")
        spec = spec.model_copy(update={"judge": BoxJudge(clip=True)})
    return _Rules(suite, spec, preset or get_prompt(suite.prompts[method]))


def _recorded(rules: Sequence[_Rules], options: RunOptions) -> list[Evaluation]:
    from vlreward.bench.completions_file import read_recorded
    from vlreward.bench.controls import blind_controls, have_controls
    from vlreward.bench.evaluate import evaluate, file_fields
    from vlreward.data.images import ImageFolder

    root = options.image_root or options.data_root
    family = _family(options.family)
    evaluations: list[Evaluation] = []
    for i, rule in enumerate(rules):
        suite = rule.suite
        golds, provenance = _golds(options.data[i] if options.data else None, suite.task)
        assert options.completions is not None
        file = read_recorded(
            options.completions[i], suite.task, frame=options.frame, family=family, golds=golds
        )
        notes = []
        if file.accuracy is not None:
            notes.append(f"the file itself records an accuracy of {file.accuracy:.2%}")
        if suite.n is not None and len(file.rows) != suite.n:
            notes.append(f"{len(file.rows)} samples; the whole split has {suite.n}")
        if options.controls and not have_controls(suite.task, [row.sample for row in file.rows]):
            notes.append("no blind controls: a box needs the size of its image, which rows lack")
        evaluation = evaluate(
            suite,
            rule.spec,
            [row.sample for row in file.rows],
            [row.completion for row in file.rows],
            prompt=rule.prompt,
            frame=file.frame,
            frame_declared_by=file.frame_declared_by,
            provenance={**file_fields(file.path, file.sha256), **provenance},
            notes=notes,
            images=None if root is None else ImageFolder(root, options.flat_images),
        )
        evaluations.append(evaluation)
        if options.controls:
            evaluations += blind_controls(evaluation)
    return evaluations


def _live(rules: Sequence[_Rules], options: RunOptions) -> list[Evaluation]:
    from vlreward.bench.controls import blind_controls, shuffle_images
    from vlreward.bench.live import LiveRun
    from vlreward.bench.suite_data import DataOptions, load_suite
    from vlreward.data.manifest import Manifest
    from vlreward.data.sampling import Sampler

    if options.model is None:
        raise DataError(
            "give a model to ask (--model NAME_OR_PATH) or recorded completions to score "
            "(--completions FILE)"
        )
    for name, value, known in (
        ("--sampling", options.sampling, ("per-dataset", "chained")),
        ("--on-missing", options.on_missing, ("error", "skip")),
    ):
        if value not in known:
            raise unknown_name(name, value, known)
    sampler = Sampler(options.seed, options.sampling)  # type: ignore[arg-type]
    evaluations: list[Evaluation] = []
    datasets = []
    for i, rule in enumerate(rules):  # all data before the model is loaded: bad input fails fast
        data = DataOptions(
            data_root=options.data_root,
            image_root=options.image_root,
            file=options.data[i] if options.data else None,
            sample_num=options.sample_num,
            limit=options.limit,
            on_missing=options.on_missing,  # type: ignore[arg-type]
            flat_images=options.flat_images,
        )
        datasets.append(load_suite(rule.suite, data, sampler, options.out))
    engine = _engine(options)
    try:
        live = LiveRun(engine, options.out, options.frame, options.max_error_rate)
        for rule, dataset in zip(rules, datasets):
            evaluation = live.evaluate(rule.suite, dataset, rule.spec, rule.prompt)
            evaluations.append(evaluation)
            if engine.rank == 0:
                Manifest.of(dataset).write(options.out / f"manifest_{rule.suite.name}.json")
            if options.controls:
                evaluations += blind_controls(evaluation)
                if len(dataset) > 1:
                    shuffled = shuffle_images(dataset)
                    evaluations.append(
                        live.evaluate(
                            rule.suite, shuffled, rule.spec, rule.prompt, control="shuffled-images"
                        )
                    )
    finally:
        engine.close()
    return evaluations if engine.rank == 0 else []


def _engine(options: RunOptions) -> Engine:
    from vlreward.engines.base import EngineConfig, Sampling, make_engine

    try:
        sampling = Sampling(
            max_tokens=options.max_tokens, temperature=options.temperature, seed=options.seed
        )
    except ValueError as error:
        raise DataError(str(error)) from None
    family = _family(options.family)
    config = EngineConfig(
        model=options.model,
        sampling=sampling,
        family=family.name if family else None,
        min_pixels=options.min_pixels,
        max_pixels=options.max_pixels,
        batch_size=options.batch_size,
        dtype=options.dtype,
        attn_implementation=options.attn_implementation,
        device_map=options.device_map,
        base_url=options.base_url,
        concurrency=options.concurrency,
        requests_per_minute=options.requests_per_minute,
        timeout=options.timeout,
        tries=options.tries,
    )
    return make_engine(options.engine, config)


def finish(
    evaluations: Sequence[Evaluation], out: Path, *, lm_eval: bool = False, html: bool = False
) -> None:
    """Write all files of a run, then print the table and where the files are."""
    from rich.console import Console

    from vlreward.bench.output import write_results
    from vlreward.bench.table import print_evaluations

    if not evaluations:  # not the first process of several
        return
    written = write_results(evaluations, out)
    if lm_eval:
        from vlreward.bench.lm_eval import write_lm_eval

        written += write_lm_eval(evaluations, out / "lm-eval")
    if html:
        from vlreward.report import write_report

        images = {e.name: e.images for e in evaluations if e.images is not None}
        written.append(write_report([out], out / "report.html", images=images))
    console = Console()
    print_evaluations(evaluations, console)
    for path in written:
        console.print(f"written: {path}", soft_wrap=True, highlight=False, markup=False)


def _golds(data: Path | None, task: str) -> tuple[dict[str, Sample] | None, dict[str, str | None]]:
    if data is None:
        return None, {"data_sha256": None}
    from vlreward.data.loaders import load

    dataset = load(data, task=task)
    return {s.id: s for s in dataset}, {"data_sha256": dataset.provenance.sha256}


def _family(name: str | None) -> ModelFamily | None:
    from vlreward.frames import family_of

    if name is None:
        return None
    try:
        return family_of(name)
    except ValueError as error:
        raise DataError(f"--family: {error}") from None


_AMOUNT = r"(\d+(?:\.\d+)?|\.\d+)"
_EXPECT = re.compile(rf"(?:(\S+)=)?{_AMOUNT}(?:\+-|±){_AMOUNT}\Z")


def _expectation(text: str, suites: Sequence[str]) -> _Expectation:
    match = _EXPECT.match(text)
    if match is None or (match[1] is not None and match[1] not in suites):
        raise DataError(
            f"--expect: expected ACCURACY+-TOLERANCE as fractions, e.g. 0.886+-0.02, or "
            f"SUITE=0.886+-0.02 with one of {', '.join(suites)}; got {text!r}"
        )
    return _Expectation(match[1], float(match[2]), float(match[3]))


def _check(evaluations: Sequence[Evaluation], expectations: Sequence[_Expectation]) -> None:
    for expected in expectations:
        for evaluation in evaluations:
            if "control" in evaluation.provenance:
                continue
            if expected.suite is not None and expected.suite != evaluation.suite.name:
                continue
            found = evaluation.report.acc
            if abs(found - expected.accuracy) > expected.tolerance + 1e-12:
                raise ExpectationError(
                    f"{evaluation.name}: expected an accuracy of {expected.accuracy:g} +- "
                    f"{expected.tolerance:g}, got {found:.4f}"
                )
