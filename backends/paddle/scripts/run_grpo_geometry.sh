#!/usr/bin/env bash
# Geometry: Qwen2-VL-2B on GeoQA, vision tower frozen, 500 steps. See run_grpo.sh.
set -euo pipefail
TASK=geometry
NAME=Qwen2-VL-2B-GRPO-Geometry
MODEL=${MODEL:-models/Qwen2-VL-2B-Instruct}
DATA=${DATA:-data/GEO/GEOQA_R1V_Train_8K}
IMAGE_ROOT=${IMAGE_ROOT:-data/GEO}
PER_DEVICE_BATCH_SIZE=${PER_DEVICE_BATCH_SIZE:-1}
source "$(dirname "${BASH_SOURCE[0]}")/run_grpo.sh"
