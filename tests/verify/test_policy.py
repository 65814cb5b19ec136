"""Each choice of a policy changes the verdicts that it is documented to change, and no other."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from vlreward.verify import Policy, verify

C, W = "correct", "wrong"


@pytest.mark.parametrize(
    ("gold", "answer", "policy", "outcome"),
    [
        # decimals: agreement to so many places
        ("1/3", "0.333333", {}, C),
        ("1/3", "0.333334", {}, W),
        ("1/3", "0.33", {"decimals": 2}, C),
        ("1/3", "0.34", {"decimals": 2}, W),
        ("2√3", "3.46", {"decimals": 2}, C),
        ("2√3", "3.464102", {}, C),
        ("2√3", "3.464101", {}, W),
        ("π", "3", {"decimals": 0}, W),  # two numbers without a decimal point compare exactly
        ("π", "3.0", {"decimals": 0}, C),
        ("1000000√2", "1414213.562373", {}, C),
        ("1000000√2", "1414213.562", {}, W),
        ("16386.17", "16386.1673", {}, W),
        ("16386.17", "16386.1673", {"decimals": "gold"}, C),
        ("16386.17", "16386.18", {"decimals": "gold"}, W),
        ("1/3", "0.3333", {"decimals": "gold"}, W),
        ("0.4%", "0.04", {"decimals": "gold", "percent": "fraction"}, W),
        ("1.2 m", "123 cm", {"decimals": "gold"}, C),
        ("1.2 m", "126 cm", {"decimals": "gold"}, W),
        # tiny values need three significant digits
        ("10^{-7}", "0.0000001", {}, C),
        ("10^{-7}", "0.0000002", {}, W),
        ("1.234e-9", "1.2341e-9", {}, C),
        ("1.234e-9", "1.24e-9", {}, W),
        ("0", "0.0000001", {}, W),
        ("0", "0.0", {}, C),
        # percent
        ("28%", "0.28", {"percent": "fraction"}, C),
        ("28%", "28", {"percent": "fraction"}, W),
        ("28", "28%", {"percent": "number"}, C),
        ("0.28", "28%", {"percent": "number"}, W),
        ("0.28", "28%", {}, C),
        ("0.28", "28", {}, W),
        ("28%", "28%", {"percent": "fraction"}, C),
        ("28%", "0.28%", {}, W),
        # units
        ("5 cm", "5 m", {}, W),
        ("5 cm", "5 m", {"units": "ignore"}, C),
        ("5 cm", "0.05 m", {}, C),
        ("5 cm", "0.05 m", {"units": "ignore"}, W),
        ("5 cm", "5 cm^2", {}, W),
        ("5 cm", "5", {}, C),
        ("5 cm", "5 units", {}, C),
        ("36 km/h", "10 m/s", {}, C),
        ("1.5小时", "90分钟", {}, C),
        ("180°", "π rad", {}, C),
        ("12 apples", "12 pears", {}, W),
        ("12 apples", "12 apples", {}, C),
        ("2升", "2000 ml", {}, C),
        ("5", "5 million", {}, W),
        ("5000000", "5 million", {}, C),
        ("30000元", "3万元", {}, C),
        # order
        ("(1, 2)", "(2, 1)", {}, W),
        ("(1, 2)", "(2, 1)", {"ordered_tuples": False}, C),
        ("(1, 1, 2)", "(1, 2, 2)", {"ordered_tuples": False}, W),
        (r"\{1, 2\}", r"\{2, 1\}", {}, C),
        (r"\{1, 2\}", r"\{2, 1\}", {"ordered_sets": True}, W),
        ("1, 2", "2, 1", {}, C),
        ("1, 2", "2, 1", {"ordered_sets": True}, W),
        (r"\{1, 1, 2\}", r"\{1, 2\}", {}, C),
        ("(1, 2)", r"\{1, 2\}", {"ordered_tuples": False}, W),
        # choice letters
        ("A", "(A)", {}, C),
        ("A", "A. 145°", {}, C),
        ("A. 145°", "145°", {}, C),
        ("A. 145°", "A. 150°", {}, W),
        ("B", "b", {}, C),
        ("B", "Option B", {}, C),
        ("B", "选B", {}, C),
        ("B", "8", {}, W),
        ("A", "A", {"choices": ""}, C),
        ("A", "B", {"choices": ""}, W),
        ("A", "a", {"choices": ""}, W),
        ("E", "E", {"choices": "ABCD"}, C),
    ],
)
def test_policy(gold: str, answer: str, policy: dict[str, Any], outcome: str) -> None:
    verdict = verify(gold, answer, Policy(**policy))
    assert (verdict.outcome, verdict.tier < 3) == (outcome, True)


@pytest.mark.parametrize(
    ("gold", "answer", "policy", "outcome"),
    [
        ("x/3", "0.333333x", {}, W),  # coefficients of a symbolic expression compare exactly
        (r"\ln 2", "0.693147", {}, C),
        (r"\ln 2", "0.69", {}, W),
        (r"\ln 2", "0.69", {"decimals": 2}, C),
        ("(2x, 1)", "(1, 2x)", {}, W),
        ("(2x, 1)", "(1, 2x)", {"ordered_tuples": False}, C),
        ("(2x, 1, 3)", "(3, 1, 2x)", {"ordered_tuples": False}, C),
        ("e^{-20}", "0.000000001", {}, W),
        ("e^{-20}", "0.00000000206115", {}, C),
    ],
)
def test_policy_of_expressions(
    gold: str, answer: str, policy: dict[str, Any], outcome: str, no_cache: None
) -> None:
    verdict = verify(gold, answer, Policy(**policy, deadline=60))
    assert (verdict.outcome, verdict.tier) == (outcome, 1)


@pytest.mark.parametrize(
    ("gold", "answer", "policy", "outcome"),
    [
        (r"\int_0^1 x dx", "0.5", {}, C),
        (r"\sum_{k=1}^{4} \frac{1}{k}", "2.08", {}, W),
        (r"\sum_{k=1}^{4} \frac{1}{k}", "2.08", {"decimals": 2}, C),
        (r"(\int_0^1 x dx, 1)", "(1, 0.5)", {}, W),
        (r"(\int_0^1 x dx, 1)", "(1, 0.5)", {"ordered_tuples": False}, C),
    ],
)
def test_policy_in_the_worker(
    gold: str, answer: str, policy: dict[str, Any], outcome: str, no_cache: None
) -> None:
    verdict = verify(gold, answer, Policy(**policy, deadline=60))
    assert (verdict.outcome, verdict.tier) == (outcome, 3)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("decimals", -1, "decimals must be an integer between 0 and 15 or 'gold', got -1"),
        ("decimals", True, "decimals must be an integer between 0 and 15 or 'gold', got True"),
        ("decimals", 2.5, "got 2.5"),
        ("percent", "both", "percent must be one of 'either', 'fraction', 'number', got 'both'"),
        ("units", None, "units must be one of 'match', 'ignore', got None"),
        ("ordered_sets", 1, "ordered_sets must be True or False, got 1"),
        ("unit_words", ["apple"], r"unit_words must be a tuple of words, got \['apple'\]"),
        ("choices", "abcd", "choices must be capital letters from A to J, got 'abcd'"),
        ("deadline", 0, "deadline must be above 0 and at most 600 seconds, got 0"),
        ("deadline", float("nan"), "got nan"),
        ("deadline", True, "got True"),
    ],
)
def test_bad_fields_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        Policy(**{field: value})


def test_a_policy_is_a_frozen_value() -> None:
    assert Policy() == Policy(decimals=6)
    assert hash(Policy()) == hash(Policy(decimals=6))
    assert pickle.loads(pickle.dumps(Policy(units="ignore"))) == Policy(units="ignore")
    with pytest.raises(FrozenInstanceError):
        Policy().decimals = 3  # type: ignore[misc]
