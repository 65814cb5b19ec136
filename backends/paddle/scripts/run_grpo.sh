# Sourced by run_grpo_{rec,counting,geometry}.sh with TASK and the defaults of MODEL, DATA,
# IMAGE_ROOT, NAME and PER_DEVICE_BATCH_SIZE set. Everything in capitals can be set from outside;
# the names are those of PaddleMIX's r1_mllm scripts:
#
#   GPUS=8                    GPUs of this machine
#   BATCH_SIZE=16             questions of one optimizer step, over all GPUs
#   NUM_GENERATIONS=8         completions of each question
#   PER_DEVICE_BATCH_SIZE     questions of one forward and backward pass on a GPU
#   SHARDING=auto             stage2 on GPUs, none on CPUs; or stage1, stage2, or empty for none
#   NODES=1 NODE_RANK=0 MASTER=127.0.0.1:8080   several machines, see ../README.md
#
# Arguments are passed on: run_grpo_rec.sh --learning_rate 2e-6 --dry-run

GPUS=${GPUS:-8}
BATCH_SIZE=${BATCH_SIZE:-16}
NUM_GENERATIONS=${NUM_GENERATIONS:-8}
SHARDING=${SHARDING-auto}
NODES=${NODES:-1}
NODE_RANK=${NODE_RANK:-0}
MASTER=${MASTER:-127.0.0.1:8080}
PYTHON=${PYTHON:-python}
OUTPUT_DIR=${OUTPUT_DIR:-work_dirs/${NAME}_${GPUS}GPUS}

for KEY in GPUS BATCH_SIZE NUM_GENERATIONS PER_DEVICE_BATCH_SIZE NODES; do
  if ! [[ ${!KEY} =~ ^[1-9][0-9]*$ ]]; then
    echo "error: expected $KEY to be a whole number from 1 on, got '${!KEY}'" >&2
    exit 2
  fi
done
if ! [[ $NODE_RANK =~ ^[0-9]+$ ]] || [ "$NODE_RANK" -ge "$NODES" ]; then
  echo "error: expected NODE_RANK to be a whole number below NODES=$NODES, got '$NODE_RANK'" >&2
  exit 2
fi
PROCESSES=$((GPUS * NODES))
PASS=$((PER_DEVICE_BATCH_SIZE * PROCESSES))
if [ "$PASS" -gt "$BATCH_SIZE" ] || [ $((BATCH_SIZE % PASS)) -ne 0 ]; then
  echo "error: BATCH_SIZE=$BATCH_SIZE must be a multiple of PER_DEVICE_BATCH_SIZE * GPUS * NODES" \
    "= $PASS" >&2
  exit 2
fi

OPTIONS=(
  "$TASK" --model "$MODEL" --data "$DATA" --image-root "$IMAGE_ROOT" --output_dir "$OUTPUT_DIR"
  --num_generations "$NUM_GENERATIONS"
  --per_device_train_batch_size $((PER_DEVICE_BATCH_SIZE * NUM_GENERATIONS))
  --gradient_accumulation_steps $((BATCH_SIZE / PASS))
)
if [ -n "$SHARDING" ] && [ "$PROCESSES" -gt 1 ]; then
  OPTIONS+=(--sharding "$SHARDING" --sharding_parallel_degree "$PROCESSES")
fi
mkdir -p "$OUTPUT_DIR/paddle_distributed_logs" || exit 2
exec "$PYTHON" -m paddle.distributed.launch --master "$MASTER" --nnodes "$NODES" \
  --rank "$NODE_RANK" --nproc_per_node "$GPUS" --run_mode collective \
  --log_dir "$OUTPUT_DIR/paddle_distributed_logs" \
  "$(command -v vlreward-train-paddle)" "${OPTIONS[@]}" "$@"
