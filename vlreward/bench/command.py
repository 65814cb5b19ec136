"""What `vlreward-bench run` does, apart from reading its options."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from vlreward.bench.expectations import check_expectations, read_expectation
from vlreward.command_line import ReadOptions
from vlreward.errors import OptionError

if TYPE_CHECKING:
    from vlreward.bench.evaluate import Evaluation
    from vlreward.bench.mixed import Rules
    from vlreward.bench.options import RunOptions
    from vlreward.data.dataset import Dataset
    from vlreward.data.images import ImageSource
    from vlreward.suite import Suite

__all__ = ["finish", "run_command"]


def run_command(options: RunOptions) -> list[Evaluation]:
    """Score every suite, write the results, print the table.

    Raises:
        DataError, UnknownNameError: Bad input; nothing is written then.
        EngineError, TooManyFailuresError: The engine failed; what was answered is kept.
        ExpectationError: An accuracy is not as stated; everything is written.
    """
    from vlreward.suite import get_suite

    suites = [get_suite(name) for name in options.suites]
    if all(suite.file is None for suite in suites) and not options.completions:
        unread = {field.name for field in dataclasses.fields(ReadOptions)}
        options.refuse("a suite that is generated", unread | {"data", "data_root", "split"})
    _check_directory(options.out)
    expectations = [read_expectation(text, options.suites) for text in options.expect or ()]
    rules = [_rules(suite, options) for suite in suites]
    evaluations = _recorded(rules, options) if options.completions else _live(rules, options)
    finish(
        evaluations,
        options.out,
        options=options,
        overwrite=options.overwrite,
        log_format=options.format,
        html=options.html,
    )
    check_expectations(evaluations, expectations)
    return evaluations


def _check_directory(out: Path) -> None:
    """Tell before the run what would be told after it."""
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir():
        raise OptionError(f"--out: expected a directory, got {str(out)!r}: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OptionError(f"--out: {str(out)!r} cannot be written: no permission in {there}")


def _rules(suite: Suite, options: RunOptions) -> Rules:
    from vlreward.bench.mixed import Prompts, Rules
    from vlreward.prompts import get_prompt
    from vlreward.tasks import get_task

    preset = get_prompt(options.prompt) if options.prompt is not None else None
    whole = preset is not None and preset.answer_in == "whole"
    method = options.method or ("baseline" if whole else "r1")
    spec = get_task(suite.task, protocol=options.protocol, method=method)
    if options.clip and not spec.clips:
        raise OptionError(
            f"--clip: the answers of {suite.name!r} cannot be clipped under protocol "
            f"{spec.protocol!r}"
        )
    if preset is None:
        preset = get_prompt(suite.prompts[method]) if method in suite.prompts else spec.prompt
    own = {task: suite.prompts.get(f"{method} {task}") for task in suite.also}
    more = {task: get_prompt(name) for task, name in own.items() if name and not options.prompt}
    return Rules(suite, spec.configured(clip=options.clip), Prompts(preset, more))


def _recorded(rules: Sequence[Rules], options: RunOptions) -> list[Evaluation]:
    import typer

    from vlreward.answer_frames import assumed_text
    from vlreward.bench.completions_file import read_recorded
    from vlreward.bench.controls import with_controls
    from vlreward.bench.evaluate import Evaluation
    from vlreward.bench.suite_data import columns_of_files, image_source, read_data
    from vlreward.bench.verdicts import disagreement

    evaluations: list[Evaluation] = []
    for i, rule in enumerate(rules):
        suite = rule.suite
        data = options.data[i] if options.data else None
        columns = columns_of_files(suite, options, data)
        dataset = None
        images: ImageSource | None = image_source(suite, options, None)
        if data is not None:
            dataset = read_data(suite, options, data, columns=columns.data)
            images = dataset.images
        assert options.completions is not None
        file = read_recorded(
            options.completions[i],
            suite.task,
            also=suite.also,
            frames=options.answer_frames,
            golds=None if dataset is None else {sample.id: sample for sample in dataset},
            columns=columns.completions,
            in_data=columns.data,
            images=images,
            gold_frame=options.gold_frame,
        )
        if file.assumed:
            typer.echo(f"warning: {assumed_text(file.assumed, 'the model')}", err=True)
        notes = list(file.notes)
        if file.accuracy is not None:
            notes.append(f"the file itself records an accuracy of {file.accuracy:.2%}")
        if suite.n is not None and file.questions != suite.n:
            notes.append(f"{file.questions} samples; the whole split has {suite.n}")
        evaluation = Evaluation(
            suite,
            rule.spec,
            [row.sample for row in file.rows],
            [row.completion for row in file.rows],
            prompts=rule.prompts,
            name=suite.name,
            frame=file.frame,
            frame_declared_by=file.frame_declared_by,
            provenance={
                "file": file.path.name,  # the name alone, since paths differ by machine
                "file_sha256": file.sha256,
                "data_sha256": None if dataset is None else dataset.provenance.sha256,
                "resizing": None if file.resizing is None else dataclasses.asdict(file.resizing),
            },
            notes=notes,
            images=images,
            attempts=[row.attempt for row in file.rows],
        )
        verdicts = [row.correct for row in file.rows]
        primary = evaluation.report.primary
        apart = disagreement(evaluation.scores, primary, verdicts, file.accuracy)
        if apart is not None:
            evaluation.notes.append(apart)
        evaluations += with_controls(evaluation) if options.controls else [evaluation]
    return evaluations


def _live(rules: Sequence[Rules], options: RunOptions) -> list[Evaluation]:
    from vlreward.bench.config_file import write_config
    from vlreward.bench.controls import SHUFFLED, shuffle_images, with_controls
    from vlreward.bench.live import LiveRun, run_live, shown_name
    from vlreward.bench.output import refuse_another_run
    from vlreward.bench.suite_data import load_suite
    from vlreward.data.manifest import Manifest
    from vlreward.data.sampling import Sampler
    from vlreward.engines.base import make_engine

    assert options.seed is not None
    sampler = Sampler(options.seed, options.draw)
    evaluations: list[Evaluation] = []
    datasets = []
    if options.model is not None and not options.overwrite:
        model = shown_name(options.model)
        refuse_another_run(
            options.out, [{"suite": rule.suite.name, "model": model} for rule in rules]
        )
    for i, rule in enumerate(rules):  # all data before the model is loaded: bad input fails fast
        file = options.data[i] if options.data else None
        datasets.append(load_suite(rule.suite, options, file, sampler))
    engine = make_engine(options.engine, options)
    try:
        if engine.rank == 0:
            write_config(options, options.out)  # also of a run that is stopped
        with ExitStack() as stack:
            answered: list[LiveRun] = []
            for rule, dataset in zip(rules, datasets):
                runs: list[tuple[Dataset, str | None]] = [(dataset, None)]
                if options.controls and len(dataset) > 1:
                    runs.append((shuffle_images(dataset), SHUFFLED))
                for data, control in runs:
                    # The engine goes on to what is next while the last scores are computed.
                    run = run_live(engine, rule, data, options, control)
                    answered.append(stack.enter_context(run))
                if engine.rank == 0:
                    Manifest.of(dataset).write(options.out / f"manifest_{rule.suite.name}.json")
            if engine.rank > 0:
                return []
            for run in answered:
                evaluation = run.evaluation()
                plain = options.controls and "control" not in evaluation.provenance
                evaluations += with_controls(evaluation) if plain else [evaluation]
    finally:
        engine.close()
    return evaluations


def finish(
    evaluations: Sequence[Evaluation],
    out: Path,
    *,
    options: RunOptions | None = None,
    overwrite: bool = False,
    log_format: str | None = None,
    html: bool = False,
) -> None:
    """Write all files of a run, then print the table and where the files are.

    Raises:
        OptionError: If `out` holds another run, unless it is to be overwritten.
    """
    from rich.console import Console

    from vlreward.bench.config_file import write_config
    from vlreward.bench.output import make_room, refuse_another_run, write_results
    from vlreward.bench.table import print_evaluations
    from vlreward.bench.unfinished import clear

    if not evaluations:  # not the first process of several
        return
    about = [{"suite": e.suite.name, **e.provenance} for e in evaluations]
    if overwrite:
        make_room(out, about)
    else:
        refuse_another_run(out, about)
    written = write_results(evaluations, out)
    if options is not None:
        seen = [
            f"{evaluation.name}: images as seen: {resizing}"
            for evaluation in evaluations
            if (resizing := evaluation.provenance.get("resizing"))
        ]
        written.append(write_config(options, out, seen))
    clear(out, {evaluation.suite.name for evaluation in evaluations})
    if log_format == "inspect":
        from vlreward.bench.inspect_format import write_inspect

        written += write_inspect(evaluations, out / "inspect")
    if log_format == "lm-eval":
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
