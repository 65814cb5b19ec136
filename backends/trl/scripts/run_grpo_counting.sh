#!/usr/bin/env bash
# Item counting: Qwen2-VL-2B on CLEVR. See run_grpo.sh.
set -euo pipefail
TASK=counting
NAME=Qwen2-VL-2B-GRPO-Counting
MODEL=${MODEL:-Qwen/Qwen2-VL-2B-Instruct}
DATA=${DATA:-data/Counting/clevr_cogen_a_train}
IMAGE_ROOT=${IMAGE_ROOT:-data/Counting}
COMPLETIONS_PER_DEVICE=${COMPLETIONS_PER_DEVICE:-8}
source "$(dirname "${BASH_SOURCE[0]}")/run_grpo.sh"
