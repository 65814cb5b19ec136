"""Options that both training backends have, under the same names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vlreward.data.decoding import CHECKS

__all__ = ["Arguments", "Options", "option"]


def option(default: Any, help: str, **metadata: Any) -> Any:
    """A field of a data class of options; `help` is what the command line says of it."""
    return field(default=default, metadata={"help": help, **metadata})


@dataclass
class Arguments:
    """Options of data, prompts and rewards; the trainer's and the model's are its library's."""

    data: str = field(
        metadata={
            "help": "Training rows: .json, .jsonl, .csv, .tsv, .xlsx, .parquet, a saved data set, "
            "hf:OWNER/NAME, or a .yaml that lists several of them, each with its sampling strategy."
        }
    )
    model: str | None = option(None, "Model name or path; the same as --model_name_or_path.")
    image_root: str | None = option(
        None, "Directory that the rows' image names start from; by default that of the data file."
    )
    eval_data: str | None = option(
        None, "Rows for evaluation during training, as --data; never rows that are trained on."
    )
    split: str | None = option(None, "Split of a data set that has several.")
    eval_split: str | None = option(None, "Split for evaluation, of --eval_data or else of --data.")
    val_split_ratio: float | None = option(
        None, "Share of the rows of --data that is kept for evaluation, e.g. 0.02."
    )
    data_config: str | None = option(None, "Configuration of a data set that has several.")
    schema: str | None = option(None, "Schema of the rows; by default recognised.")
    columns: str | None = option(
        None,
        "What is read from which column, e.g. gold=answer,image=images,question=problem, for rows "
        "of no known schema.",
    )
    gold_frame: str | None = option(
        None,
        "Frame of the golds' coordinates, e.g. norm1000 or original_px:xywh; one in the row wins.",
    )
    where: list[str] | None = option(None, "Conditions that rows must fit, e.g. `difficulty<0.8`.")
    informative_in: str | None = option(
        None,
        "A run whose traces tell which rows teach something: those are left out whose completions "
        "all earned the same there.",
    )
    flat_images: bool = option(False, "Look for images by base name, directly in image_root.")
    allow_urls: bool = option(False, "Download images that rows name by an http(s) address.")
    on_missing: str = option(
        "error", "What to do about rows without their image.", choices=["error", "skip"]
    )
    on_bad_image: str = option(
        "error",
        "What to do about rows whose image is damaged, too large, or too narrow; what is looked at "
        "says check_images; skip reads all headers at least, and is refused with none.",
        choices=["error", "skip"],
    )
    on_suspicious: str = option(
        "error",
        "What to do where more than 1 %% of the golds look as if their frame were another one.",
        choices=["error", "keep"],
    )
    on_bad_gold: str = option(
        "error", "What to do about rows with a bad gold.", choices=["error", "skip"]
    )
    check_images: str = option(
        "all",
        "Before the first step: decode all images, read only their headers, decode a sample of "
        "1,000, or none.",
        choices=list(CHECKS),
    )
    prompt: str | None = option(None, "Prompt preset; by default the task's own.")
    protocol: str = option("strict", "Whose rules score the answers.")
    terms: list[str] | None = option(
        None, "Reward terms, e.g. `giou format`; in a mixture `TASK.giou TASK.format ...`."
    )
    weights: list[str] | None = option(
        None, "Weights of terms, e.g. `format=0.5`; in a mixture `TASK.format=0.5`."
    )
    rewards: list[str] | None = option(
        None,
        "Reward functions of your own beside the terms: MODULE:FUNCTION, or the name of an entry "
        "point in vlreward.rewards; with a weight as `my_module:brevity=0.5`.",
    )
    on_timeout: str = option(
        "zero",
        "Reward of an answer whose verification did not finish: zero, or none to leave it out.",
        choices=["zero", "none"],
    )
    clip: bool = option(False, "Clip answers to their frame instead of failing them.")
    frame: str | None = option(
        None, "Frame of predicted coordinates; by default that of the rows or the model family."
    )
    axis_order: str | None = option(
        None,
        "Which coordinate the model writes first; by default as the rows or the family say.",
        choices=["xy", "yx"],
    )
    min_pixels: int | None = option(None, "Smallest area in pixels of the image as seen.")
    max_pixels: int | None = option(None, "Largest area in pixels of the image as seen.")
    freeze_vision: bool = option(False, "Train the language model alone.")
    early_stopping_patience: int | None = option(
        None, "Stop after so many evaluations without a better one, and keep the best model."
    )
    resume: str = option(
        "auto",
        "Where to go on: auto, at the last checkpoint in --output_dir, or at the beginning where "
        "there is none; or the directory of a checkpoint.",
    )
    overwrite_output_dir: bool = option(
        False, "Begin anew; what --output_dir holds is put aside in OUTPUT_DIR/earlier-N."
    )
    traces: bool = option(True, "Write one JSON line per completion to OUTPUT_DIR/traces.")
    dry_run: bool = option(
        False, "Print what would be trained, one prompt, its rewards, and the memory; then stop."
    )


@dataclass(frozen=True)
class Options:
    """A parsed command line; backends add what is theirs."""

    task: str
    """Name of a task, or `mixture`."""
    arguments: Arguments
    """Options of data, prompts and rewards."""
    training: Any
    """The backend's `GRPOConfig`."""

    @property
    def lora_rank(self) -> int | None:
        """Rank of the LoRA adapter; None trains the model itself."""
        return None

    @property
    def foreign(self) -> tuple[str, ...]:
        """Patterns of files in checkpoints that this run cannot go on from: of other backends, or
        of a model that is spread over processes in another way."""
        return ()
