from __future__ import annotations

import pytest

from vlreward.registry import Registry, UnknownNameError


@pytest.fixture
def colours() -> Registry[str]:
    registry = Registry[str]("colour", group="vlreward.no_such_group")
    registry.register("red", "#f00")
    registry.register("green", "#0f0")
    return registry


def test_a_registered_item_is_found_under_its_name(colours: Registry[str]) -> None:
    assert colours.get("green") == "#0f0"
    assert colours.names() == list(colours) == ["red", "green"]
    assert "red" in colours
    assert "blue" not in colours


def test_a_duplicate_raises_and_leaves_the_first(colours: Registry[str]) -> None:
    with pytest.raises(ValueError, match=r"colour 'red' is registered already, as '#f00'"):
        colours.register("red", "#ff0000")
    assert colours.get("red") == "#f00"


def test_the_same_item_may_be_registered_again(colours: Registry[str]) -> None:
    assert colours.register("red", colours.get("red")) == "#f00"


@pytest.mark.parametrize("name", ["", " red", "red "])
def test_an_unclean_name_is_refused(colours: Registry[str], name: str) -> None:
    with pytest.raises(ValueError, match="expected a non-empty name"):
        colours.register(name, "x")


def test_an_unknown_name_lists_near_matches_and_all_names(colours: Registry[str]) -> None:
    with pytest.raises(UnknownNameError) as caught:
        colours.get("gren")
    assert str(caught.value) == "unknown colour 'gren'; did you mean 'green'? Known: red, green"


def test_a_name_unlike_all_others_gets_no_hint(colours: Registry[str]) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown colour 'zzz'\. Known: red, green"):
        colours.get("zzz")
