from __future__ import annotations

from time import thread_time

import pytest

from vlreward.integrations.text import response_of, strip_end

QWEN = (
    "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|><|image_pad|><|vision_end|>How many cups?<|im_end|>\n<|im_start|>assistant\n"
)
GEMMA = "<bos><start_of_turn>user\n<start_of_image>How many?<end_of_turn>\n<start_of_turn>model\n"
GEMMA_IMAGE = "\n\n<start_of_image>" + "<image_soft_token>" * 256 + "<end_of_image>\n\n"
INTERN = "<|im_start|>user\n<image>\nHow many?<|im_end|>\n<|im_start|>assistant\n"
INTERN_IMAGE = "<img>" + "<IMG_CONTEXT>" * 256 + "</img>"
TWO = QWEN.replace("How", "and <|vision_start|><|image_pad|><|vision_end|> How")
TEXT = "<s>[INST] How many? [/INST]"
PADS = "<|image_pad|>" * 391


@pytest.mark.parametrize(
    ("prompt", "query"),
    [
        (QWEN, QWEN),
        (QWEN, QWEN.replace("<|image_pad|>", PADS)),
        (TWO, TWO.replace("<|image_pad|>", PADS)),
        (GEMMA, GEMMA.replace("<start_of_image>", GEMMA_IMAGE)),
        (INTERN, INTERN.replace("<image>", INTERN_IMAGE)),
        (TEXT, TEXT),
    ],
    ids=["not expanded", "Qwen", "two images", "Gemma", "InternVL", "text only"],
)
@pytest.mark.parametrize(
    "response",
    ["<think>a</think><answer>3</answer>", "", "  3", "<|im_end|> 3", QWEN + "4", TEXT + "4"],
    ids=["plain", "empty", "spaces", "end first", "repeats the prompt", "opens a turn"],
)
def test_response_is_what_follows_the_prompt(prompt: str, query: str, response: str) -> None:
    assert response_of(query + response + "<|im_end|>", prompt) == response


def test_the_last_answer_is_not_what_a_turn_that_the_model_opens_says() -> None:
    """A response that holds another assistant turn is one response, seen as a whole."""
    query = QWEN.replace("<|image_pad|>", PADS)
    response = "I do not know.<|im_end|>\n<|im_start|>assistant\n<answer>3</answer>"
    assert response_of(query + response, QWEN) == response


def test_prompt_that_was_cut_off_at_its_beginning() -> None:
    prompt = "<|im_start|>user\n" + "word " * 500 + "?<|im_end|>\n<|im_start|>assistant\n"
    assert response_of(prompt[900:] + "<answer>3</answer>", prompt) == "<answer>3</answer>"


@pytest.mark.parametrize("query", ["", "something else", QWEN[:-1], "assistant\n3"])
def test_a_query_without_its_prompt_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match="expected a query that begins with its prompt"):
        response_of(query, QWEN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3<|im_end|>", "3"),
        ("3<|im_end|>\n<|endoftext|><|endoftext|>", "3"),
        ("3</s>", "3"),
        ("3 ", "3 "),
        ("<|box_start|>(1,2),(3,4)<|box_end|><|im_end|>", "<|box_start|>(1,2),(3,4)<|box_end|>"),
        ("a<|im_end|>b", "a<|im_end|>b"),
        ("<|im_end|>", ""),
        ("", ""),
        ("B<end_of_utterance>", "B"),  # SmolVLM
        ("B<｜end▁of▁sentence｜>", "B"),  # DeepSeek-VL2
        ("B<|user|>", "B"),  # GLM-4.1V
    ],
)
def test_strip_end(text: str, expected: str) -> None:
    assert strip_end(text) == expected


@pytest.mark.parametrize(
    "build",
    [
        lambda n: ("a" * n, "a" * (n // 2) + "b"),
        lambda n: (" " * n, " " * (n // 2) + "<image>"),
        lambda n: ("<image>" * n, "<image>" * (n // 2) + "x"),
        lambda n: ("<|im_end|>" * n, "?"),
        lambda n: ("ab" * n, "ab" * n + "a"),
    ],
)
def test_linear_time(build: object) -> None:
    def seconds(n: int) -> float:
        query, prompt = build(n)  # type: ignore[operator]
        started = thread_time()
        for _ in range(3):
            strip_end(query)
            try:
                response_of(query, prompt)
            except ValueError:
                continue
        return thread_time() - started

    small = min(seconds(2_000) for _ in range(3))
    assert seconds(32_000) < 160 * small + 0.1  # 16 times as much; quadratic would be 256 times
