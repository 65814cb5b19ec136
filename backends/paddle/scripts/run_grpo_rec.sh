#!/usr/bin/env bash
# Referring expression comprehension: Qwen2.5-VL-3B on RefCOCO, 500 steps. See run_grpo.sh.
set -euo pipefail
TASK=rec
NAME=Qwen2.5-VL-3B-GRPO-REC
MODEL=${MODEL:-models/Qwen2.5-VL-3B-Instruct}
DATA=${DATA:-data/REC/rec.yaml}
IMAGE_ROOT=${IMAGE_ROOT:-data/REC}
PER_DEVICE_BATCH_SIZE=${PER_DEVICE_BATCH_SIZE:-2}
source "$(dirname "${BASH_SOURCE[0]}")/run_grpo.sh"
