from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.metrics import (
    MAX_REPETITION_CHARS,
    OPEN_R1_TAGS,
    cosine_length,
    ngram_repetition,
    repetition,
    soft_overlong,
    tag_count,
)

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "cases" / "metrics" / "trl_rewards.json").read_text("utf-8")
)["cases"]
_seeded = settings(deadline=None, derandomize=True, max_examples=50)


def _cases(function: str) -> list[dict[str, Any]]:
    found = [case for case in CASES if case["function"] == function]
    assert found
    return found


def test_ngram_repetition_is_trls_penalty() -> None:
    for case in _cases("get_repetition_penalty_reward"):
        assert -ngram_repetition(case["ids"], n=case["ngram_size"]) == case["expected"], case


def test_soft_overlong_is_trls_punishment() -> None:
    for case in _cases("get_soft_overlong_punishment"):
        sizes = case["max_completion_len"], case["soft_punish_cache"]
        assert soft_overlong(case["length"], *sizes) == case["expected"], case


def test_cosine_length_is_trls_scaled_reward() -> None:
    for case in _cases("get_cosine_scaled_reward"):
        ends = {} if case["correct"] else {"short": -1.0, "long": -0.5}
        value = cosine_length(case["length"], case["max_len"], **ends)
        assert value == pytest.approx(case["expected"], abs=1e-15), case


@pytest.mark.torch
def test_the_recorded_rewards_are_those_of_the_installed_trl() -> None:
    rewards = pytest.importorskip("trl.rewards", reason="trl is not installed")
    for case in _cases("get_repetition_penalty_reward"):
        reward = rewards.get_repetition_penalty_reward(case["ngram_size"])
        assert reward(completion_ids=[case["ids"]]) == [case["expected"]]
    for case in _cases("get_soft_overlong_punishment"):
        reward = rewards.get_soft_overlong_punishment(
            case["max_completion_len"], case["soft_punish_cache"]
        )
        assert reward(completion_ids=[[0] * case["length"]]) == [case["expected"]]


# --- repetition of text ----------------------------------------------------------------------


def _repeated_words(text: str, n: int) -> float:
    """open-r1's English rule, by counting."""
    words = text.lower().split()
    grams = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    return sum(count - 1 for count in grams.values()) / sum(grams.values()) if grams else 0.0


@_seeded
@given(
    st.lists(st.sampled_from(["a", "B", "b", "the", "The.", "é", "\n", "3.5", "<think>"])),
    st.sampled_from([" ", "\t", "\n\n", "\u3000", "\x1f"]),
    st.integers(1, 5),
)
def test_repetition_of_words_is_open_r1s(words: list[str], space: str, n: int) -> None:
    text = space.join(words)
    assert repetition(text, n=n) == pytest.approx(_repeated_words(text, n), abs=1e-12)


@pytest.mark.parametrize(
    ("text", "n", "expected"),
    [
        pytest.param("", 3, 0.0, id="empty"),
        pytest.param("one two", 3, 0.0, id="fewer words than n"),
        pytest.param("one two three", 3, 0.0, id="one n-gram"),
        pytest.param("no no no no", 1, 0.75, id="single words"),
        pytest.param("No no NO nO", 1, 0.75, id="case does not matter"),
        pytest.param("红色的球", 2, 0.0, id="Chinese, nothing repeats"),
        pytest.param("红色红色红色", 2, 0.6, id="Chinese, one unit a character"),
        pytest.param("あいあいあい", 2, 0.6, id="Japanese"),
        pytest.param("球a球a", 1, 0.5, id="mixed without spaces"),
        pytest.param("𠀀𠀀𠀀", 1, 2 / 3, id="Han beyond the basic plane"),
        pytest.param("dog,dog dog,dog", 1, 0.5, id="punctuation stays with its word"),
    ],
)
def test_repetition_cases(text: str, n: int, expected: float) -> None:
    assert repetition(text, n=n) == pytest.approx(expected, abs=1e-12)


def test_only_the_end_of_a_long_text_counts() -> None:
    distinct = " ".join(str(i) for i in range(100_000))
    loop = "round and " * (MAX_REPETITION_CHARS // 10 + 1)
    assert repetition(loop + distinct) == 0.0
    assert repetition(distinct + " " + loop) > 0.99
    assert repetition(distinct + " " + loop) == repetition(loop[-MAX_REPETITION_CHARS:])


@_seeded
@given(st.text(), st.integers(1, 50))
def test_no_text_raises(text: str, n: int) -> None:
    assert 0 <= repetition(text, n=n) < 1
    assert 0 <= tag_count(text) <= 1


# --- tags ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think><answer>b</answer>", 1.0),
        ("<think>\na\n</think>\n<answer>\nb\n</answer>", 1.0),
        ("</answer><answer></think><think>", 1.0),
        ("<think>a</think>b", 0.5),
        ("<think>a</think><answer>b", 0.75),
        ("<think><think>a</think><answer>b</answer>", 0.75),
        ("<answer>1</answer><answer>2</answer>", 0.0),
        ("<THINK>a</THINK>", 0.0),
        ("", 0.0),
        ("<think>" * 200_000, 0.0),
    ],
)
def test_tag_count(text: str, expected: float) -> None:
    assert tag_count(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>\na\n</think>\n<answer>\nb\n</answer>", 1.0),
        ("<think>a</think><answer>b</answer>", 0.0),
        ("<think>\na\n</think><answer>\nb\n</answer>", 0.5),
    ],
)
def test_tag_count_with_the_line_breaks_of_open_r1(text: str, expected: float) -> None:
    assert tag_count(text, tags=OPEN_R1_TAGS) == expected


def test_a_text_of_megabytes_is_not_searched() -> None:
    tags = "<think></think><answer></answer>"
    assert tag_count("x" * 1_000_000 + tags) == 1.0
    assert tag_count("x" * 1_100_000 + tags) == 0.0


# --- lengths ---------------------------------------------------------------------------------


@_seeded
@given(st.integers(0, 300), st.integers(1, 200), st.integers(0, 200))
def test_lengths_never_pay_more_when_longer(length: int, longest: int, margin: int) -> None:
    margin = min(margin, longest)
    values = [soft_overlong(n, longest, margin) for n in (length, length + 1)]
    assert 0 >= values[0] >= values[1] >= -1
    values = [cosine_length(n, longest) for n in (length, length + 1)]
    assert 1 >= values[0] >= values[1] >= 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: repetition("a", n=0), "at least one unit, got n=0"),
        (lambda: tag_count("a", tags=()), "at least one tag"),
        (lambda: tag_count("a", tags=("<a>", "")), "no empty one, got ('<a>', '')"),
        (lambda: cosine_length(-1, 10), "got -1 and 10"),
        (lambda: cosine_length(1, 0), "got 1 and 0"),
        (lambda: soft_overlong(1, 10, 11), "margin <= max_length=10, got 11"),
        (lambda: soft_overlong(1, 10, -1), "got -1"),
        (lambda: soft_overlong(-1, 10, 1), "got -1 and 10"),
    ],
)
def test_bad_arguments_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
