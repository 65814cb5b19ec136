"""Synthetic scenes: pictures with a question and a gold answer, drawn from a seed.

Three tasks - find an object by its description (`rec`), count objects of a kind (`counting`) and
compute a quantity of a drawn figure (`geometry`) - at three levels of difficulty, in images whose
sides are mostly no multiples of 28, so that the resizing of the Qwen-VL processors matters. Two
more, `detection` and `pointing`, ask about pictures of the same kind; the packaged model has not
learnt them.

    >>> from vlreward.scenes import make_scene
    >>> scene = make_scene("rec", "test", 0, level="easy")
    >>> scene.question, scene.gold, scene.image.size
    ('Where is the purple cross?', (10, 10, 36, 36), (120, 120))

The same arguments give the same bytes everywhere: all drawing is integer arithmetic. Training,
validation and test scenes never share a picture; see `vlreward.scenes.seeds`.
"""

from vlreward.scenes.export import export_scenes
from vlreward.scenes.scene import SIZES, Scene, make_scene, more_questions, scenes
from vlreward.scenes.seeds import LEVELS, MORE_TASKS, TASKS, Level, SceneSeed, Split

__all__ = [
    "LEVELS",
    "MORE_TASKS",
    "SIZES",
    "TASKS",
    "Level",
    "Scene",
    "SceneSeed",
    "Split",
    "export_scenes",
    "make_scene",
    "more_questions",
    "scenes",
]
