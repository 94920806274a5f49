#!/usr/bin/env bash
# Downstream tasks in the embedded world, from pre-training with InfoNCE and with SACL (docs/results.md).
# SEEDS and W (where the runs go) can be set in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
W=${W:-work_dirs/results/downstream}
SEEDS=${SEEDS:-0 1 2}

runs() { for seed in $SEEDS; do echo "$W/$seed/$1"; done | paste -sd, -; }

python tools/train.py configs/shape_world/backbone.py --work-dir "$W/backbone"
export BACKBONE=$W/backbone/epoch_16.pth
for seed in $SEEDS; do
    for start in pretrain pretrain_infonce; do
        start_dir=$W/$seed/$start
        python tools/train.py configs/shape_world/$start.py --work-dir "$start_dir" --cfg-options randomness.seed="$seed"
        export PRETRAINED=$start_dir/epoch_8.pth ASSIGNED=$start_dir/nlvr2_pretrain/epoch_2.pth
        for task in retrieval vqa nlvr2_pretrain nlvr2; do
            python tools/train.py configs/shape_world/$task.py --work-dir "$start_dir/$task" --cfg-options randomness.seed="$seed"
        done
        python tools/test.py configs/shape_world/retrieval.py "$PRETRAINED" --work-dir "$start_dir/zeroshot"
    done
done
for task in '' /retrieval /zeroshot /vqa /nlvr2; do
    python tools/compare_runs.py InfoNCE="$(runs pretrain_infonce$task)" SACL="$(runs pretrain$task)"
done

# Blind: seed 0 of the SACL start.
start_dir=$W/0/pretrain
export PRETRAINED=$start_dir/epoch_8.pth ASSIGNED=$start_dir/blind/nlvr2_pretrain/epoch_2.pth
for task in vqa nlvr2_pretrain nlvr2; do
    python tools/train.py configs/shape_world/$task.py --work-dir "$start_dir/blind/$task" \
        --cfg-options randomness.seed=0 model.data_preprocessor.blind=True
done
python tools/test.py configs/shape_world/retrieval.py "$start_dir/retrieval/epoch_2.pth" --work-dir "$start_dir/blind/retrieval" \
    --cfg-options model.data_preprocessor.blind=True
