from datasets import load_dataset
from trl import GRPOConfig, GRPOTrainer

from vlreward.rewards import TaskReward

trainer = GRPOTrainer(
    model="Qwen/Qwen2-VL-2B-Instruct",
    reward_funcs=[TaskReward("counting")],
    args=GRPOConfig(output_dir="out", num_generations=8, max_completion_length=256),
    train_dataset=load_dataset("json", data_files="train.jsonl", split="train"),
)
trainer.train()
