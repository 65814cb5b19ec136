#!/usr/bin/env bash
# Counting: Qwen2-VL-2B on CLEVR, 500 steps. See run_grpo.sh.
set -euo pipefail
TASK=counting
NAME=Qwen2-VL-2B-GRPO-Counting
MODEL=${MODEL:-models/Qwen2-VL-2B-Instruct}
DATA=${DATA:-data/Counting/clevr_cogen_a_train}
IMAGE_ROOT=${IMAGE_ROOT:-data/Counting}
PER_DEVICE_BATCH_SIZE=${PER_DEVICE_BATCH_SIZE:-1}
source "$(dirname "${BASH_SOURCE[0]}")/run_grpo.sh"
