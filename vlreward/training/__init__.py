"""What the training backends have in common; nothing here imports torch, paddle or a trainer.

| Module | Content |
|---|---|
| `arguments` | the options of data, prompts and rewards, under the same names in every backend |
| `parsing` | the layers of a command line, its page of help, and messages about options |
| `recipes` | defaults of each task: the settings of the published scripts |
| `preparing` | from options to a checked run: samples, rows and reward functions |
| `reward_options` | terms and weights as the options say |
| `schedule`, `resuming` | how many steps, and where they begin |
| `columns` | samples as the rows that trainers and rewards read |
| `checks` | images, before the first step |
| `rewards` | one reward function for each term of each task |
| `traces` | one JSON line for each completion |
| `evaluation` | held-out rows, by the tasks' own metrics |
| `progress`, `card` | what a person sees of a run, and the model's card |
| `models`, `memory` | frame and size of a model; the memory of a run on each GPU |
| `dry_run` | what a run would do, as text |
| `cli` | the command line that runs it |

`vlreward_trl` and `vlreward_paddle` import from here, and never from each other.
"""
