"""vlreward: verifiable rewards for reinforcement learning of vision-language models.

One typed definition of a task (prompt, parser, reward terms, metrics) serves every trainer and
the benchmark, so that the training reward and the reported accuracy cannot drift apart.

Import what you need from the submodules: `vlreward.rewards` in trainers, `vlreward.tasks` for the
built-in tasks, `vlreward.metrics` for pure metric functions. Importing `vlreward` itself loads
nothing else.
"""

__version__ = "0.2.0"
