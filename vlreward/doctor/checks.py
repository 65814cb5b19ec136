"""The checks: each gives one number to hold against a threshold, with counts and examples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

from vlreward.data.traces import alike
from vlreward.doctor.frames import FrameFit, frame_fits, is_outside
from vlreward.doctor.observations import Observation
from vlreward.frames import Frame
from vlreward.gold_frames import suspicion
from vlreward.types import UNSETTLED

__all__ = ["CHECKS", "Finding", "diagnose"]

_EXAMPLES = 3
_HIGH, _LOW = 0.99, 0.01
_FITS, _FILLS = 0.95, 0.05
_MULTIPLE = ("multiple_answers", "multiple_boxes")
_FAILED = "(no usable answer)"
_FAR = 0.1
_TOLERANCE = 2.0  # pixels; published golds leave their image by one


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    name: str
    """Name of the check."""
    about: str
    """What its number is, for a person."""
    value: float | None
    """The number to hold against a threshold; None if the input does not tell."""
    count: int = 0
    """Cases counted in `value`."""
    of: int = 0
    """Cases looked at."""
    details: dict[str, Any] = field(default_factory=dict)
    """More numbers."""
    examples: tuple[tuple[str, Observation], ...] = ()
    """Cases to look at, each with the reason why."""
    note: str = ""
    """Why there is no number, or what to think of it."""


def diagnose(observations: Sequence[Observation]) -> list[Finding]:
    """Run all checks.

    Args:
        observations: At least one.

    Raises:
        ValueError: If there is none.

    Example:
        >>> rows = [Observation("a:1", "4", 0.0, failure="no_answer")] * 3
        >>> {f.name: f.value for f in diagnose(rows)}["failures"]
        1.0
    """
    if not observations:
        raise ValueError("expected observations, got none")
    return [check(observations) for check in CHECKS.values()]


def _share(
    name: str,
    about: str,
    cases: Sequence[tuple[str, Observation]],
    of: int,
    details: Mapping[str, Any],
    note: str = "",
) -> Finding:
    """A finding whose number is a share; each case comes with the reason why it is one."""
    examples = tuple(cases[:_EXAMPLES])
    return Finding(name, about, len(cases) / of, len(cases), of, dict(details), examples, note)


def _zero_std(observations: Sequence[Observation]) -> Finding:
    about = "groups whose completions all earn the same, which teach nothing"
    groups: dict[tuple[Any, ...], list[Observation]] = defaultdict(list)
    for observation in observations:
        if observation.group is not None:
            groups[observation.group].append(observation)
    sized = [group for group in groups.values() if len(group) > 1]
    if not sized:
        return Finding("zero_std", about, None, note="no prompt has several completions here")
    best = max(o.value for group in sized for o in group)
    flat = [group for group in sized if alike([o.value for o in group])]
    kinds = Counter(
        "all at 0" if alike((0.0, g[0].value))
        else "all at the best value" if alike((best, g[0].value))
        else "all at another value"
        for g in flat
    )  # fmt: skip
    truncated = sum(all(o.truncated or _unfinished(o) for o in g) for g in flat)
    cases = [(f"{len(g)} completions, all {g[0].value:g}", g[0]) for g in flat]
    details = {**dict(kinds.most_common()), "truncated throughout": truncated}
    return _share("zero_std", about, cases, len(sized), details)


def _failures(observations: Sequence[Observation]) -> Finding:
    failed = [o for o in observations if o.failure is not None]
    codes = Counter(str(o.failure) for o in failed)
    firsts: dict[str, Observation] = {}
    for observation in failed:
        firsts.setdefault(str(observation.failure), observation)
    return Finding(
        "failures",
        "completions without a usable answer",
        len(failed) / len(observations),
        len(failed),
        len(observations),
        dict(codes.most_common()),
        tuple((f"{code}: {firsts[code].detail}", firsts[code]) for code, _ in codes.most_common(6)),
    )


def _outside(observations: Sequence[Observation]) -> Finding:
    about = "boxes outside their declared frame"
    boxes = [o for o in observations if o.box is not None or o.failure == "out_of_frame"]
    if not boxes:
        return Finding("outside", about, None, note="there are no boxes here")
    if not any(o.frame for o in boxes):
        return Finding("outside", about, None, note="no frame is declared; name it with --frame")
    outside = [(o.detail or "outside", o) for o in boxes if is_outside(o)]
    fits = frame_fits(boxes)
    declared = sorted({o.frame.value for o in boxes if o.frame})
    details: dict[str, Any] = {"declared": ", ".join(declared)}
    for fit in fits:
        details[fit.frame.value] = f"{fit.inside:.0%} inside, boxes reach {fit.fill:.0%} of it"
    note = _frame_note(declared, fits)
    return _share("outside", about, outside, len(boxes), details, note)


def _frame_note(declared: Sequence[str], fits: Sequence[FrameFit]) -> str:
    mine = next((fit for fit in fits if fit.frame.value in declared), None)
    if mine is None:
        return "image sizes are not known, so nothing can be said of the right and bottom edges"
    if len(declared) > 1 or (mine.inside >= _FITS and mine.fill >= _FILLS):
        return ""
    good = [f for f in fits if f.inside >= _FITS and f.fill >= max(_FILLS, fits[0].fill * 0.95)]
    names = " or ".join(fit.frame.value for fit in good if fit is not mine)
    if not names:
        return "the boxes fit no frame"
    return (
        f"the boxes fit {names} better than {declared[0]}: is that what this model writes? "
        "(for you to check; nothing is scored by it)"
    )


def _golds(observations: Sequence[Observation]) -> Finding:
    about = "gold boxes outside their image, or within 0..1 as if they were ratios"
    known = [o for o in observations if o.gold is not None]
    if not known:
        return Finding("golds", about, None, note="no gold boxes are known here")
    pixels = Frame.ORIGINAL_PX
    looks = [(suspicion(o.gold, pixels, o.image_size, _TOLERANCE), o) for o in known]
    found = [(look, o) for look, o in looks if look is not None]
    fits = Counter(fit for (_, fit), _ in found)
    note = f"what would fit: {' or '.join(fits)}; or a 'frame' beside each box" if fits else ""
    cases = [(what, o) for (what, _), o in found]
    return _share("golds", about, cases, len(known), dict(fits.most_common()), note)


def _multiple(observations: Sequence[Observation]) -> Finding:
    found: list[tuple[str, Observation]] = []
    kinds: Counter[str] = Counter()
    for o in observations:
        blocks = o.completion.count("</answer>")
        kind = o.failure if o.failure in _MULTIPLE else "several answer tags" if blocks > 1 else ""
        if kind:
            kinds[kind] += 1
            found.append((kind, o))
    about = "completions with several answers or boxes"
    return _share("multiple", about, found, len(observations), dict(kinds.most_common()))


def _unfinished(observation: Observation) -> bool:
    text = observation.completion
    return any(text.count(f"<{t}>") > text.count(f"</{t}>") for t in ("think", "answer"))


def _truncated(observations: Sequence[Observation]) -> Finding:
    known = any(o.truncated is not None for o in observations)
    cut = [o for o in observations if o.truncated or (o.truncated is None and _unfinished(o))]
    return _share(
        "truncated",
        "completions cut off at the token limit" if known else "completions that end inside a tag",
        [(f"length {o.length}", o) for o in cut],
        len(observations),
        {"longest": max(o.length for o in observations)},
        "" if known else "the file does not say which were cut off; unclosed tags are counted",
    )


def _length_correlation(observations: Sequence[Observation]) -> Finding:
    import numpy as np

    about = "rank correlation of reward and length (Spearman), without its sign"
    unit = "characters" if any(o.tokens is None for o in observations) else "tokens"
    lengths = np.array(
        [len(o.completion) if unit == "characters" else o.length for o in observations], float
    )
    values = np.array([o.value for o in observations])
    if len(values) < 3 or np.ptp(lengths) == 0 or np.ptp(values) == 0:
        note = "needs three completions, of different length and reward"
        return Finding("length_correlation", about, None, of=len(values), note=note)
    rank = float(np.corrcoef(_ranks(lengths), _ranks(values))[0, 1])
    linear = float(np.corrcoef(lengths, values)[0, 1])
    by_length = sorted(observations, key=lambda o: o.length)
    third = max(1, len(by_length) // 3)
    parts = {"shortest": by_length[:third], "longest": by_length[-third:]}
    details: dict[str, Any] = {
        "Spearman": round(rank, 3),
        "Pearson": round(linear, 3),
        "unit": unit,
    }
    for name, part in parts.items():
        mean = sum(o.value for o in part) / len(part)
        details[f"mean reward of the {name} third"] = round(mean, 3)
    return Finding("length_correlation", about, abs(rank), of=len(values), details=details)


def _ranks(values: Any) -> Any:
    """Ranks from 0; equal values share the mean of theirs."""
    import numpy as np

    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2)[inverse]


def _timeouts(observations: Sequence[Observation]) -> Finding:
    late = [(o.detail or str(o.failure), o) for o in observations if o.failure in UNSETTLED]
    about = "completions whose verification did not finish"
    details = Counter(str(o.failure) for _, o in late)
    return _share("timeouts", about, late, len(observations), details)


def _disagreement(observations: Sequence[Observation]) -> Finding:
    about = "completions whose terms contradict each other: the format is right and there is no \
usable answer, or the answer is right and the format is not"
    pairs: Counter[str] = Counter()
    found: list[tuple[str, Observation]] = []
    judged = 0
    for o in observations:
        if "format" not in o.terms or len(o.terms) < 2:
            continue
        judged += 1
        good = [name for name, value in o.terms.items() if value >= _HIGH]
        bad = [name for name, value in o.terms.items() if value <= _LOW]
        for a, b in permutations(o.terms, 2):
            if a in good and b in bad:
                pairs[f"{a} 1, {b} 0"] += 1
        if o.failure is not None and "format" in good:
            pairs[f"format 1, {_FAILED}"] += 1
            found.append((f"format 1, but {o.failure}", o))
        elif "format" in bad and good:
            found.append((f"{good[0]} 1, but format 0", o))
    if not judged:
        return Finding("disagreement", about, None, note="there is no term 'format' beside another")
    details = {name: f"{count} ({count / judged:.1%})" for name, count in pairs.most_common(8)}
    return _share("disagreement", about, found, judged, details)


def _sampler(observations: Sequence[Observation]) -> Finding:
    about = "mean difference of log-probabilities between sampler and model, in nats a token: \
hundredths are rounding, tenths another prompt or other weights"
    known = [o for o in observations if o.logp_difference is not None]
    if not known:
        return Finding("sampler", about, None, note="the sampler's probabilities are not traced")
    differences = [o.logp_difference for o in known if o.logp_difference is not None]
    far = [o for o, value in zip(known, differences) if value > _FAR]
    return Finding(
        "sampler",
        about,
        sum(differences) / len(known),
        len(far),
        len(known),
        {"largest": round(max(differences), 4), f"beyond {_FAR:g}": len(far)},
        tuple((f"differs by {o.logp_difference:.3g}", o) for o in far[:_EXAMPLES]),
    )


CHECKS: dict[str, Callable[[Sequence[Observation]], Finding]] = {
    "zero_std": _zero_std,
    "failures": _failures,
    "outside": _outside,
    "golds": _golds,
    "multiple": _multiple,
    "truncated": _truncated,
    "length_correlation": _length_correlation,
    "timeouts": _timeouts,
    "disagreement": _disagreement,
    "sampler": _sampler,
}
"""All checks by name."""
