from __future__ import annotations

import pytest
from pydantic import ValidationError

from vlreward.frames import FAMILIES
from vlreward.prompts import PRESETS, PromptTemplate, get_prompt
from vlreward.registry import UnknownNameError
from vlreward.tasks.counting import CountGold
from vlreward.tasks.rec import BoxGold
from vlreward.types import Sample

PROBLEM = "Please provide the bounding box coordinate of the region this sentence describes: cup."
REC = Sample.model_validate(
    {
        "id": "1",
        "question": PROBLEM,
        "expression": "cup.",
        "image": "a.jpg",
        "gold": {"task": "rec", "box": [1, 2, 3, 4]},
    }
)
COUNT = Sample(id="1", question="How many cups?", gold=CountGold(count=2))

# The wording of each published prompt, written out once more from the sources that presets name.
WORDING = {
    "rec-r1": PROBLEM + " First output the thinking process in <think> </think> tags and then "
    "output the final answer in <answer> </answer> tags. Output the final answer in JSON format.",
    "rec-baseline": "Locate cup., output its bbox coordinates using JSON format.",
    "rec-baseline-vlm-r1": PROBLEM + " Please provide the bounding box coordinate in JSON format.",
    "r1-v": PROBLEM + " First output the thinking process in <think> </think> and final answer "
    "(number) in <answer> </answer> tags.",
    "r1-v-train": PROBLEM + "  Output the thinking process in <think> </think> and final answer "
    "(number) in <answer> </answer> tags.",
    "qwen-vl": "<ref>cup.</ref><box>",
    "qwen2-vl": PROBLEM,
    "qwen2.5-vl": "Locate cup. in this image and output the bbox coordinates in JSON format.",
    "qwen3-vl": 'Locate every object that matches the description "cup." in the image. Report '
    "bbox coordinates in JSON format.",
    "internvl": "Please provide the bounding box coordinate of the region this sentence "
    "describes: <ref>cup.</ref>",
}


@pytest.mark.parametrize("name", WORDING)
def test_a_preset_has_the_published_wording(name: str) -> None:
    assert get_prompt(name).text_for(REC) == WORDING[name]


def test_every_preset_is_named_as_it_is_filed_and_has_a_source_and_its_own_hash() -> None:
    assert all(preset.name == name and preset.source for name, preset in PRESETS.items())
    assert len({preset.hash for preset in PRESETS.values()}) == len(PRESETS)


def test_every_family_has_its_preset() -> None:
    assert {family.prompt for family in FAMILIES.values()} <= set(PRESETS)


def test_the_hash_is_of_what_the_model_is_shown_and_nothing_else() -> None:
    template = PromptTemplate(name="a", text="{question}")
    assert template.hash == PromptTemplate(name="b", text="{question}", source="s").hash
    assert template.hash != PromptTemplate(name="a", text="{question} ").hash
    assert template.hash != PromptTemplate(name="a", text="{question}", system="Be brief.").hash


def test_messages_have_the_image_before_the_text_and_the_system_first() -> None:
    template = PromptTemplate(name="a", text="{question}", system="Be brief.")
    assert template.render(REC) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROBLEM}]},
    ]


def test_a_sample_without_an_image_has_no_image_entry() -> None:
    assert get_prompt("r1-v").render(COUNT)[0]["content"][0]["type"] == "text"


def test_braces_in_a_question_stay_as_they_are() -> None:
    sample = COUNT.model_copy(update={"question": "What is {expression} in {x} and \\1?"})
    template = PromptTemplate(name="a", text="{question}!")
    assert template.text_for(sample) == "What is {expression} in {x} and \\1?!"


def test_a_missing_field_is_an_error_that_names_the_sample() -> None:
    with pytest.raises(ValueError, match=r"'rec-baseline' needs the field 'expression'.*'1'"):
        get_prompt("rec-baseline").text_for(COUNT)


@pytest.mark.parametrize("text", ["{queston}", "no field", "{question} {answer}"])
def test_a_template_with_other_fields_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="expected"):
        PromptTemplate(name="a", text=text)


def test_an_unknown_preset_lists_near_matches() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'rec-r1'"):
        get_prompt("rec-r2")


def test_gold_type_is_kept() -> None:
    assert isinstance(REC.gold, BoxGold)


def test_several_images_stand_where_the_question_has_them() -> None:
    from vlreward.types import OtherGold

    def kinds(question: str) -> list[str]:
        sample = Sample(
            id="1",
            question=question,
            gold=OtherGold(task="colour", value="red"),
            image="b.png",
            images=("a.png", "b.png"),
        )
        (message,) = PromptTemplate(name="x", text="{question} Answer.").render(sample)
        return [part.get("text", "*") for part in message["content"]]

    assert kinds("Is A <image> as B <image>?") == ["Is A ", "*", " as B ", "*", "? Answer."]
    assert kinds("<image><image>Which?") == ["*", "*", "Which? Answer."]
    assert kinds("Which?") == ["*", "*", "Which? Answer."]
