"""Evaluation while a trainer trains."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import paddle

from vlreward.training.evaluation import Evaluation, Scored
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
        started = time.perf_counter()
        ranks = paddle.distributed.get_rank(), paddle.distributed.get_world_size()
        scored = [
            entry
            for indices in self.evaluation.batches(*ranks, self.args.eval_batch_size)
            for entry in self._answered(self.evaluation, indices)
        ]
        everyone = [entry for part in gather_objects(scored) for entry in part]
        metrics = self.evaluation.metrics(everyone).items()
        found = {f"{metric_key_prefix}_{name}": value for name, value in metrics}
        found[f"{metric_key_prefix}_runtime"] = time.perf_counter() - started
        self.log(dict(found))
        handled = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        self.control = handled
        return found

    def _answered(self, evaluation: Evaluation, indices: list[int]) -> list[Scored]:
        rows = [evaluation.rows[index] for index in indices]
        greedy = replace(self.sampling, temperature=0.0, top_p=1.0, top_k=0)
        tokens = generate(self.model, [self.codec.encode(row) for row in rows], greedy)
        texts = [self.codec.decode(ids) for ids in tokens]
        cut = [ids[-1] not in self.codec.eos_ids for ids in tokens]
        return evaluation.score(indices, rows, texts, tokens, cut, self.state)
