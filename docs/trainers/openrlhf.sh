python3 -m openrlhf.cli.train_ppo_ray --reward.remote_url "$(vlreward path openrlhf)" \
  --data.prompt_dataset train.packed.jsonl --data.input_key problem --data.label_key answer \
  --data.image_key images --data.max_images_per_prompt 1 --data.apply_chat_template \
  --actor.model_name_or_path Qwen/Qwen2.5-VL-3B-Instruct \
  --algo.advantage.estimator group_norm --rollout.n_samples_per_prompt 8
