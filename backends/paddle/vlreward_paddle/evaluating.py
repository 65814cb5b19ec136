"""Evaluation while a trainer trains."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Any

import paddle

from vlreward.training.evaluation import Evaluation
from vlreward.training.rewards import cut_off
from vlreward_paddle.parallel import gather_objects
from vlreward_paddle.rollout import Sampling, generate

__all__ = ["EvaluatesAnswers"]


class EvaluatesAnswers:
    """For the trainer: held-out rows are answered greedily, and scored by the tasks' metrics."""

    model: Any
    args: Any
    state: Any
    control: Any
    codec: Any
    sampling: Sampling
    evaluation: Evaluation | None
    callback_handler: Any
    log: Any

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """One greedy answer to each held-out row, scored by the tasks' metrics.

        The processes share the rows; every process must call it.
        """
        assert self.evaluation is not None
        found = self.evaluation.run(
            self._answers,
            lambda scored: chain.from_iterable(gather_objects(scored)),
            rank=paddle.distributed.get_rank(),
            world_size=paddle.distributed.get_world_size(),
            size=self.args.eval_batch_size,
            state=self.state,
            prefix=metric_key_prefix,
        )
        self.log(dict(found))
        handled = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        self.control = handled
        return found

    def _answers(self, rows: list[dict[str, Any]]) -> Any:
        greedy = replace(self.sampling, temperature=0.0, top_p=1.0, top_k=0)
        tokens = generate(self.model, [self.codec.encode(row) for row in rows], greedy)
        texts = [self.codec.decode(ids) for ids in tokens]
        return texts, tokens, cut_off(tokens, self.codec.eos_ids)
