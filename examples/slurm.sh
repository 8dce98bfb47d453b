#!/bin/sh
#SBATCH --array=1-4
#SBATCH --time=04:00:00
# A batch on four nodes: each task asks a part of the rows and writes an output of its own. Submit it with
#
#   sbatch slurm.sh
#
# A task that is started again goes on where it stopped, also by itself: sbatch --array=3 slurm.sh. That is why the number
# of parts stands below: --shard auto takes it from the array, and refuses one that is not whole. This is what the array
# does, and what is done after it:
#
# $ for TASK in 1 2 3 4; do SLURM_ARRAY_TASK_ID=$TASK sh slurm.sh -q -m sandbox/glm-5; done
# $ glm batch merge labels-*.jsonl -O labels.jsonl --input reviews.csv
# glm: 6 rows of 4 files
#
# The parts find an account's cap on requests in flight without talking to each other; --rpm and --tpm are divided.

exec glm batch run reviews.csv -f label.yaml --shard "$SLURM_ARRAY_TASK_ID/4" -O "labels-$SLURM_ARRAY_TASK_ID.jsonl" "$@"
