swift rlhf --rlhf_type grpo --model Qwen/Qwen2-VL-2B-Instruct --dataset train.packed.jsonl \
  --external_plugins "$(vlreward path swift)" --reward_funcs vlreward \
  --num_generations 8 --max_completion_length 256 --learning_rate 1e-6 --beta 0.04
