"""Run a task's samples through a model, keep every answer, and judge them."""
