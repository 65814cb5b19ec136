"""Where rows of recorded completions keep what, in the files of the tools that write them.

verl (rollout dumps, generation), lm-eval, lmms-eval, inspect, EvalScope, ms-swift, VLMEvalKit,
LLaMA-Factory, OpenAI batches, VLM-R1, R1-V, MathVista, TRL, and runs of `vlreward-bench` itself. A
row is read key by key, not tool by tool: what no tool writes together does no harm together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vlreward._messages import said
from vlreward._text import short
from vlreward.bench.replies import Reply, replies_in
from vlreward.data.columns import found
from vlreward.data.rows import RawRow
from vlreward.golds import literal

__all__ = [
    "PLACES",
    "field_of",
    "gold_of",
    "place_of",
    "plain_rows",
    "question_of",
    "replies_of",
    "suggestion",
    "truth",
    "verdict_of",
]

PLACES: Mapping[str, tuple[str, ...]] = {
    "completion": (
        *("completion", "completions", "model_output", "response", "responses", "output"),
        *("outputs", "prediction", "predictions", "resps", "filtered_resps", "generated_text"),
        *("generation", "generations", "model_response", "predict"),
        "sample_score.score.prediction",
        *("choices", "messages"),
    ),
    "gold": (
        *("gold", "ground_truth", "solution", "gts", "reward_model.ground_truth", "target"),
        *("gt", "gt_answer", "reference_answer", "expected_answer", "answer", "raw_input.answer"),
        *("expected", "reference", "doc.solution", "doc.answer", "labels", "label"),
    ),
    "question": (
        *("question", "problem", "query", "doc.question", "doc.problem", "doc.query"),
        *("raw_input.question", "prompt", "input", "messages", "arguments"),
    ),
    "gold_frame": ("gold_frame",),
    "width": ("width",),
    "height": ("height",),
    "image": ("image", "image_path", "image_name", "images", "doc.image_path"),
    "id": (
        *("custom_id", "id", "question_id", "doc_id", "uid", "pid", "qid"),
        *("sample_score.group_id", "group_id", "index", "sample_id"),
    ),
    "correct": (
        "correct",
        "is_correct",
        "true_false",
        "hit",
        "sample_score.score",
        "scores",
        "acc",
    ),
}
"""Keys by what is read from them, the first that has a value counts; `a.b` is `b` of `a`."""

_VERDICTS = {"C": True, "I": False}  # of inspect


def field_of(row: Mapping[str, Any], field: str, columns: Mapping[str, str] | None = None) -> Any:
    """What a row has in a field: under the key that `columns` names, else in the usual places."""
    name = place_of(row, field, columns)
    return None if name is None else found(row, name)


def place_of(
    row: Mapping[str, Any], field: str, columns: Mapping[str, str] | None = None
) -> str | None:
    """The key under which `field_of` finds a value; None if there is none."""
    names = PLACES[field] if columns is None or field not in columns else (columns[field],)
    return next((name for name in names if found(row, name) is not None), None)


def replies_of(row: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> list[Reply]:
    """What the model wrote: one completion, or several of one question.

    Raises:
        ValueError: If the row has no completion, or none in words.
    """
    if columns is not None and "completion" in columns:
        name = columns["completion"]
        if name not in row and found(row, name) is None:
            raise ValueError(
                f"expected a completion under {name!r}; the keys are {sorted(map(str, row))}"
            )
        return replies_in(found(row, name))
    held = False
    for name in PLACES["completion"]:
        value = found(row, name)
        if value is None:
            held = held or name in row
        elif (name != "choices" or _are_replies(value)) and (name != "messages" or _spoke(value)):
            return replies_in(value)
    if held:
        return replies_in(None)
    raise ValueError(
        f"expected a completion in one of {', '.join(PLACES['completion'][:8])} ..., got none; "
        f"{suggestion(row)}"
    )


def _are_replies(choices: Any) -> bool:
    """Whether `choices` are a server's, not the options of a question."""
    return isinstance(choices, (list, tuple)) and all(
        isinstance(c, Mapping) and ("message" in c or "text" in c) for c in choices
    )


def _spoke(messages: Any) -> bool:
    if not isinstance(messages, (list, tuple)) or not messages:
        return False
    last = messages[-1]
    return isinstance(last, Mapping) and last.get("role", last.get("from")) in ("assistant", "gpt")


def gold_of(row: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> Any:
    """The gold as the row has it, without a list around the one answer that is accepted.

    Raises:
        ValueError: If it has none, or accepts several answers.
    """
    gold = field_of(row, "gold", columns)
    in_answer = place_of(row, "gold", columns) == "answer"
    if in_answer and {"terms", "value"} <= row.keys():
        gold = None  # a trace of a training run, whose answer is the model's
    if gold is None:
        raise ValueError(
            f"expected a gold in one of {', '.join(PLACES['gold'][:7])} ..., got none; "
            f"{suggestion(row)}; or name the data file with vlreward-bench --data"
        )
    label = None if "gold" in (columns or ()) else row.get("label")
    # Whose answer is it? Where golds are labels, the model's.
    if in_answer and label is not None and str(label).strip() != str(gold).strip():
        raise ValueError(
            f"expected one gold, got {short(gold, 60)} under 'answer' and {short(label, 60)} under "
            "'label': say which with --columns gold=answer or --columns gold=label"
        )
    listed = literal(gold) if isinstance(gold, str) and gold.startswith(("['", '["')) else gold
    if not isinstance(listed, (list, tuple)) or not all(isinstance(g, str) for g in listed):
        return gold
    different = list(dict.fromkeys(listed))
    if len(different) != 1:
        raise ValueError(f"expected one gold, got {len(different)}: {short(different, 120)}")
    return different[0]


def question_of(row: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> str:
    """The text of the question, as far as the row has it; of messages the user's last."""
    value = field_of(row, "question", columns)
    for _ in range(4):
        if isinstance(value, str) or not value:
            break
        if isinstance(value, Mapping):  # lm-eval's numbered arguments, a message
            value = said(value) or next(iter(value.values()))
        elif not isinstance(value, (list, tuple)):
            return str(value)
        elif all(isinstance(turn, Mapping) for turn in value):
            users = [t for t in value if t.get("role", t.get("from")) in ("user", "human", None)]
            value = said((users or value)[-1])
        else:
            value = value[0]
    return value.strip() if isinstance(value, str) else ""


def verdict_of(row: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> bool | None:
    """Whether who recorded the row found it right; None where it does not say."""
    value = field_of(row, "correct", columns)
    names = row.get("metrics")
    if value is None and isinstance(names, list) and len(names) == 1:  # of lm-eval
        value = row.get(str(names[0]))
    if isinstance(value, Mapping) and isinstance(value.get("value"), Mapping):  # of EvalScope
        scores = value["value"]
        value = scores.get(value.get("main_score_name"), next(iter(scores.values()), None))
    elif isinstance(value, Mapping) and len(value) == 1:  # of inspect
        only = next(iter(value.values()))
        value = only.get("value") if isinstance(only, Mapping) else only
    return _VERDICTS[value] if isinstance(value, str) and value in _VERDICTS else truth(value)


def truth(value: Any) -> bool | None:
    """Whether a value is true, also as tables write it; None where it is neither true nor false.

    Example:
        >>> truth("True"), truth("0.0"), truth(0.5)
        (True, False, None)
    """
    value = literal(value.strip().capitalize()) if isinstance(value, str) else value
    return bool(value) if isinstance(value, (int, float)) and value in (0, 1) else None


def plain_rows(rows: Iterable[RawRow]) -> Iterator[RawRow]:
    """Rows, with those taken apart that are whole tables, as ms-swift logs each step's."""
    number = 0
    for raw in rows:
        for value in _unfolded(raw.value):
            number += 1
            yield RawRow(number, value, raw.line)


def _unfolded(row: Any) -> list[Any]:
    if not isinstance(row, Mapping):
        return [row]
    asked, said_ = row.get("prompt"), row.get("completion")
    lists = {k: v for k, v in row.items() if isinstance(v, list)}
    if (
        not (isinstance(asked, list) and isinstance(said_, list) and asked)
        or not all(isinstance(text, str) for text in asked)
        or any(len(v) != len(asked) for v in lists.values())
    ):
        return [row]
    return [{**row, **{k: v[i] for k, v in lists.items()}} for i in range(len(asked))]


def suggestion(row: Mapping[str, Any]) -> str:
    """The keys of a row, and the option that names those to read, filled in as far as can be told.

    Example:
        >>> suggestion({"said": "x" * 30, "truth": "3"})
        "the keys are ['said', 'truth']; name them with --columns completion=said,gold=truth"
    """
    names: dict[str, str | None] = {}
    for field in ("completion", "gold"):
        known = field_of(row, field)
        if known is None:
            names[field] = _likely(row, field, set(names.values()))
    told = ",".join(f"{field}={name or 'KEY'}" for field, name in names.items())
    return f"the keys are {sorted(map(str, row))}" + (
        f"; name them with --columns {told}" if told else ""
    )


_HINTS = {
    "completion": (
        *("compl", "respon", "output", "generat", "pred", "model", "reply", "said", "content"),
    ),
    "gold": ("gold", "truth", "gt", "correct", "expect", "refer", "answer", "target", "label"),
}


def _likely(row: Mapping[str, Any], field: str, taken: set[str | None]) -> str | None:
    used = {name for names in PLACES.values() for name in names}
    free = [k for k in row if k not in used and k not in taken and row[k] not in (None, "", [])]
    free = [k for k in free if not any(word in str(k).lower() for word in ("reason", "think"))]
    hinted = [k for k in free if any(hint in str(k).lower() for hint in _HINTS[field])]
    if hinted or field == "gold":
        return hinted[0] if hinted else None
    texts = [k for k in free if isinstance(row[k], str)]
    return max(texts, key=lambda k: len(row[k]), default=None)
