"""REC under published rules, so that published and recorded numbers can be reproduced.

| protocol | method | rule |
|---|---|---|
| `vlm-r1` | `r1`, `baseline` | VLM-R1's evaluation |
| `vlm-r1` | `train` | VLM-R1's IoU reward and its format reward |
| `paddlemix` | `r1`, `baseline`, `train` | PaddleMIX r1_mllm |

Boxes are plain (x1, y1, x2, y2), because the originals also score boxes without area.
"""

from __future__ import annotations

from typing import Any

from vlreward.geometry import Box
from vlreward.judges import CornersJudge
from vlreward.metrics.compat import pixel_iou
from vlreward.prompts import PromptTemplate
from vlreward.task import AnswerTerm, Method, TaskSpec, TextTerm
from vlreward.tasks import published as rules
from vlreward.types import Completion

__all__ = ["published"]


def _pixel_iou(corners: rules.Corners, gold: Box) -> float:
    return pixel_iou(corners, tuple(gold))


def _above_half(corners: rules.Corners, gold: Box) -> float:
    return float(_pixel_iou(corners, gold) > 0.5)


def _vlm_r1_format(completion: Completion, _outcome: Any) -> float:
    return float(rules.vlm_r1_training_format(completion.text))


def _paddlemix_format(completion: Completion, _outcome: Any) -> float:
    return float(rules.paddlemix_training_format(completion.text))


VLM_R1_BASELINE_PROMPT = PromptTemplate(
    name="rec-baseline-vlm-r1",
    text="{question} Please provide the bounding box coordinate in JSON format.",
    answer_in="whole",
    source="VLM-R1 evaluation of its baseline and SFT models",
)
_ACCURACY = AnswerTerm("acc@0.5", _above_half)
_IOU = AnswerTerm("iou", _pixel_iou)
_IOU50 = AnswerTerm("iou50", _above_half)


def published(strict: TaskSpec, baseline_prompt: PromptTemplate) -> tuple[TaskSpec, ...]:
    """The published variants of the strict task.

    Args:
        strict: The task that they are variants of.
        baseline_prompt: PaddleMIX's prompt of its method `baseline`.
    """

    def variant(
        protocol: str,
        method: Method,
        parser: Any,
        prompt: PromptTemplate = strict.prompt,
        terms: tuple[AnswerTerm | TextTerm, ...] = (_IOU50,),
    ) -> TaskSpec:
        return strict.model_copy(
            update={
                "protocol": protocol,
                "method": method,
                "prompt": prompt,
                "parser": parser,
                "judge": CornersJudge(),
                "terms": terms,
                "extra_terms": (),
                "metrics": (_ACCURACY, _IOU),
            }
        )

    vlm_r1_terms = (_IOU, TextTerm("format", _vlm_r1_format))
    paddlemix_terms = (_IOU50, TextTerm("format", _paddlemix_format))
    return (
        variant("vlm-r1", "r1", rules.vlm_r1_box),
        variant("vlm-r1", "baseline", rules.vlm_r1_baseline_box, VLM_R1_BASELINE_PROMPT),
        variant("vlm-r1", "train", rules.vlm_r1_training_box, terms=vlm_r1_terms),
        variant("paddlemix", "r1", rules.paddlemix_r1_box),
        variant("paddlemix", "baseline", rules.paddlemix_baseline_box, baseline_prompt),
        variant("paddlemix", "train", rules.vlm_r1_training_box, terms=paddlemix_terms),
    )
