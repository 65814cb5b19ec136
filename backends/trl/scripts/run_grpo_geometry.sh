#!/usr/bin/env bash
# Geometry reasoning: Qwen2-VL-2B on GeoQA, vision tower frozen. See run_grpo.sh.
set -euo pipefail
TASK=geometry
NAME=Qwen2-VL-2B-GRPO-Geometry
MODEL=${MODEL:-Qwen/Qwen2-VL-2B-Instruct}
DATA=${DATA:-data/GEO/GEOQA_R1V_Train_8K}
IMAGE_ROOT=${IMAGE_ROOT:-data/GEO}
COMPLETIONS_PER_DEVICE=${COMPLETIONS_PER_DEVICE:-8}
source "$(dirname "${BASH_SOURCE[0]}")/run_grpo.sh"
