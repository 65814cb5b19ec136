# Sourced by run_grpo_{rec,counting,geometry}.sh with TASK and the defaults of MODEL, DATA,
# IMAGE_ROOT, NAME and COMPLETIONS_PER_DEVICE set. Everything in capitals can be set from outside:
#
#   GPUS=8            GPUs of this machine
#   BATCH_SIZE=16     questions of one optimizer step, over all GPUs
#   NUM_GENERATIONS=8 completions of each question
#   COMPLETIONS_PER_DEVICE  completions of one forward and backward pass on a GPU
#   STRATEGY=fsdp2    fsdp2, ddp, zero2, zero3 or multi_node_fsdp2 (see ../configs)
#   NODES=1 NODE_RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500   several machines
#
# Arguments are passed on: run_grpo_rec.sh --use_peft --dry-run

GPUS=${GPUS:-8}
BATCH_SIZE=${BATCH_SIZE:-16}
NUM_GENERATIONS=${NUM_GENERATIONS:-8}
STRATEGY=${STRATEGY:-fsdp2}
NODES=${NODES:-1}
NODE_RANK=${NODE_RANK:-0}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
MASTER_PORT=${MASTER_PORT:-29500}
OUTPUT_DIR=${OUTPUT_DIR:-work_dirs/${NAME}_${GPUS}GPUS}

for KEY in GPUS BATCH_SIZE NUM_GENERATIONS COMPLETIONS_PER_DEVICE NODES; do
  if ! [[ ${!KEY} =~ ^[1-9][0-9]*$ ]]; then
    echo "error: expected $KEY to be a whole number from 1 on, got '${!KEY}'" >&2
    exit 2
  fi
done
if ! [[ $NODE_RANK =~ ^[0-9]+$ ]] || [ "$NODE_RANK" -ge "$NODES" ]; then
  echo "error: expected NODE_RANK to be a whole number below NODES=$NODES, got '$NODE_RANK'" >&2
  exit 2
fi
if ! [[ $MASTER_PORT =~ ^[0-9]+$ ]]; then  # 0: accelerate takes a free one
  echo "error: expected MASTER_PORT to be a whole number, got '$MASTER_PORT'" >&2
  exit 2
fi
PROCESSES=$((GPUS * NODES))
COMPLETIONS=$((BATCH_SIZE * NUM_GENERATIONS))
PASS=$((COMPLETIONS_PER_DEVICE * PROCESSES))
if [ $((COMPLETIONS % PASS)) -ne 0 ]; then
  echo "error: BATCH_SIZE * NUM_GENERATIONS = $COMPLETIONS completions of a step must be a" \
    "multiple of COMPLETIONS_PER_DEVICE * GPUS * NODES = $PASS" >&2
  exit 2
fi

CONFIG="$(cd "$(dirname "${BASH_SOURCE[0]}")/../configs" && pwd)/${STRATEGY}.yaml"
if [ ! -f "$CONFIG" ]; then
  echo "error: expected STRATEGY to be ddp, zero2, zero3, fsdp2 or multi_node_fsdp2," \
    "got '$STRATEGY'" >&2
  exit 2
fi

# So long a run that is told to end may take for its step and --enable_jit_checkpoint, before the
# launcher kills it; with PyTorch below 2.12 that is 30 seconds, whatever is set.
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-600}
exec accelerate launch --config_file "$CONFIG" \
  --num_processes "$PROCESSES" --num_machines "$NODES" --machine_rank "$NODE_RANK" \
  --main_process_ip "$MASTER_ADDR" --main_process_port "$MASTER_PORT" \
  -m vlreward_trl "$TASK" \
  --model "$MODEL" --data "$DATA" --image-root "$IMAGE_ROOT" --output_dir "$OUTPUT_DIR" \
  --num_generations "$NUM_GENERATIONS" \
  --per_device_train_batch_size "$COMPLETIONS_PER_DEVICE" \
  --gradient_accumulation_steps $((COMPLETIONS / PASS)) \
  "$@"
