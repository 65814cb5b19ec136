"""Put the page together: loaded runs in, one HTML file out."""

from __future__ import annotations

import base64
import functools
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from vlreward.errors import OptionError
from vlreward.files import replacing

if TYPE_CHECKING:
    import jinja2

    from vlreward.data.images import ImageSource
    from vlreward.report.images import Found, Shown
    from vlreward.report.load import Run
    from vlreward.report.svg import Figure
    from vlreward.report.training import TrainingCurves

__all__ = ["Report", "build_report", "write_report"]

_SCRIPTS = (
    "data.js",
    "list.js",
    "detail.js",
    "zoom.js",
    "export.js",
    "live.js",
    "view.js",
    "report.js",
)
_CHUNK = 250_000
_SHOWN_CURVES = 12


@dataclass(frozen=True, slots=True)
class Report:
    """A finished page."""

    html: str
    """The whole page, ready to be written as UTF-8."""
    notes: list[str] = field(default_factory=list)
    """What the page warns its reader of, e.g. missing images."""
    samples: int = 0
    """Number of samples shown."""
    images_embedded: int = 0
    """Number of images embedded."""
    embedded_bytes: int = 0
    """Size of the embedded images in the page."""


def write_report(
    run_dirs: Sequence[Path],
    out: Path,
    *,
    image_root: Path | None = None,
    images: Mapping[str, ImageSource] | None = None,
    absolute_images: bool = False,
    max_embed_mb: float = 20,
    title: str = "vlreward report",
) -> Path:
    """Write one self-contained page about one or more runs.

    The same input gives the same bytes. The page needs no network and no other file, except for
    images beyond `max_embed_mb`, which it loads from where they lie.

    Args:
        run_dirs: Directories of benchmark runs, finished or not; the first one is what the others
            are compared with. Directories of training runs, which show their curves.
        out: The page; missing directories are made, an older page is replaced at once or not at
            all.
        image_root: Directory that the image names of the samples are relative to; None to look
            where the run found them, in each run directory and in the working directory.
        images: Gives the images of a suite by its name, in place of directories.
        absolute_images: Also show images whose absolute names lie outside these directories.
        max_embed_mb: Limit of the embedded images, in millions of bytes of the page.
        title: Heading of the page.

    Returns:
        `out`.

    Raises:
        DataError: If a run cannot be read.
        OptionError: If an argument is wrong.
        OSError: If the page cannot be written.
    """
    out = Path(out)
    report = build_report(
        run_dirs,
        out,
        image_root=image_root,
        images=images,
        absolute_images=absolute_images,
        max_embed_mb=max_embed_mb,
        title=title,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out, "wb") as file:
        file.write(report.html.encode("utf-8", "replace"))
    return out


def build_report(
    run_dirs: Sequence[Path],
    out: Path,
    *,
    image_root: Path | None = None,
    images: Mapping[str, ImageSource] | None = None,
    absolute_images: bool = False,
    max_embed_mb: float = 20,
    title: str = "vlreward report",
    live: str | None = None,
    show: Callable[[Found], Shown] | None = None,
) -> Report:
    """The page as text, with its notes; arguments and errors as in `write_report`, and:

    Args:
        live: What tells this page from later ones, for a page that is served and asks for it.
        show: How each image that is there is shown, in place of embedding it.
    """
    from vlreward.report.images import embed_images
    from vlreward.report.load import is_run, load_runs
    from vlreward.report.pairs import compare_runs
    from vlreward.report.samples import Finder, page_data, wanted_images
    from vlreward.report.text import embed_json
    from vlreward.report.training import read_training

    out = Path(out)
    _check_arguments(out, image_root, max_embed_mb)
    paths = [Path(path) for path in run_dirs]
    trained = {path: curves for path in paths if (curves := read_training(path)) is not None}
    benchmarks = [path for path in paths if path not in trained or is_run(path)]
    runs = load_runs(benchmarks) if benchmarks or not trained else []
    finder = Finder(image_root, images or {}, absolute_images)
    store = embed_images(wanted_images(runs, finder), out, max_embed_mb, show)
    index, rows = page_data(runs, finder, store)
    notes = [note for run in runs for note in run.notes] + store.notes
    uris = [shown.uri for shown in store.shown.values() if shown.uri is not None]
    html = _render(
        title=title,
        runs=runs,
        pairs=compare_runs(runs),
        notes=notes,
        remarks=store.remarks,
        samples=len(rows),
        keys=index["keys"],
        index=embed_json(index),
        chunks=_chunks([embed_json(row) for row in rows]),
        uris=uris,
        links=any(shown.href for shown in store.shown.values()),
        training=_training(paths, trained, runs),
        live=live,
    )
    return Report(html, notes, len(rows), store.embedded, store.embedded_bytes)


def _training(
    paths: Sequence[Path], trained: Mapping[Path, TrainingCurves], runs: Sequence[Run]
) -> list[tuple[str, TrainingCurves, list[Figure], list[Figure]]]:
    """Name, curves, the first figures and the rest, of each directory that has some."""
    from vlreward.report.training import curve_figures, load_curves

    names = {run.path: run.name for run in runs}
    found = []
    for path in paths:
        kept = load_curves(path) if path in names else None
        for curves in filter(None, (kept, trained.get(path))):
            figures = curve_figures(curves)
            name = names.get(path, curves.title)
            found.append((name, curves, figures[:_SHOWN_CURVES], figures[_SHOWN_CURVES:]))
    return found


def _check_arguments(out: Path, image_root: Path | None, max_embed_mb: float) -> None:
    if not (math.isfinite(max_embed_mb) and max_embed_mb >= 0):
        raise OptionError(f"expected max_embed_mb >= 0, got {max_embed_mb!r}")
    if image_root is not None and not Path(image_root).is_dir():
        raise OptionError(f"expected a directory as image root, got {str(image_root)!r}")
    if out.is_dir():
        raise OptionError(
            f"expected a file to write, got the directory {str(out)!r}: give e.g. "
            f"{str(out / 'report.html')!r}"
        )


def _chunks(rows: list[Markup]) -> list[Markup]:
    """JSON lists of rows, each of a size that the page parses without a pause to be felt."""
    chunks: list[list[Markup]] = []
    size = _CHUNK
    for row in rows:
        if size >= _CHUNK:
            chunks.append([])
            size = 0
        chunks[-1].append(row)
        size += len(row)
    return [Markup("[{}]").format(Markup(",").join(chunk)) for chunk in chunks]


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


@functools.cache
def _template() -> jinja2.Template:
    """The page's, compiled once: a page that is served is made again and again."""
    import jinja2

    from vlreward.report.text import percent, plain, points, visible

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(visible=visible, plain=plain, percent=percent, points=points)
    return environment.from_string(_asset("report.html.j2"))


def _render(**context: Any) -> str:
    from vlreward.bench.attempts import grouped
    from vlreward.report.summary import plots, scale, summary

    names = _SCRIPTS if context["samples"] else ("live.js",)
    script = '"use strict";\n(() => {\n' + "\n".join(map(_asset, names)) + "})();\n"
    style = _asset("report.css")
    # Hashes, not 'unsafe-inline': no script or style but these two ever runs in the page.
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        f"img-src data:{' file: ' + chr(39) + 'self' + chr(39) if context['links'] else ''}; "
        f"{'connect-src ' + chr(39) + 'self' + chr(39) + '; ' if context['live'] else ''}"
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types"
    )
    lines = summary(context["runs"])
    overview = grouped(lines, lambda line: line.suite.name)
    return _template().render(
        **context,
        script=Markup(script),
        style=Markup(style),
        policy=policy,
        every_line=lines,
        overview=overview,
        plots=plots(overview),
        scale=scale,
        run_numbers={line.run.name: line.run_number for line in lines},
    )
