#!/usr/bin/env bash
# Embedded world: InfoNCE, SACL and the oracle (docs/results.md).
# SEEDS and W (where the runs go) can be set in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
W=${W:-work_dirs/results/shape_world}
SEEDS=${SEEDS:-0 1 2 3 4}

runs() { for seed in $SEEDS; do echo "$W/$seed/$1"; done | paste -sd, -; }

for seed in $SEEDS; do
    python tools/train.py configs/shape_world/infonce.py --work-dir "$W/$seed/infonce" --cfg-options randomness.seed="$seed"
    REFERENCE=$W/$seed/infonce/epoch_8.pth \
        python tools/train.py configs/shape_world/sacl.py --work-dir "$W/$seed/sacl" --cfg-options randomness.seed="$seed"
done
python tools/compare_runs.py InfoNCE="$(runs infonce)" SACL="$(runs sacl)"
python tools/train.py configs/shape_world/oracle.py --work-dir "$W/0/oracle" --cfg-options randomness.seed=0
