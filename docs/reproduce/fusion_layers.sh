#!/usr/bin/env bash
# What one fusion layer of two costs questions, embedded world (docs/results.md).
# SEEDS and W (where the runs go) can be set in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
W=${W:-work_dirs/results/fusion_layers}
SEEDS=${SEEDS:-0 1 2}

runs() { for seed in $SEEDS; do echo "$W/vqa_$1_$seed"; done | paste -sd, -; }

python tools/train.py configs/shape_world/backbone.py --work-dir "$W/backbone"
export BACKBONE=$W/backbone/epoch_16.pth
for seed in $SEEDS; do
    for layers in 2 1; do
        python tools/train.py configs/shape_world/pretrain.py --work-dir "$W/pretrain_${layers}_$seed" \
            --cfg-options randomness.seed="$seed" model.multimodal_backbone.num_layers=$layers
        PRETRAINED=$W/pretrain_${layers}_$seed/epoch_8.pth \
            python tools/train.py configs/shape_world/vqa.py --work-dir "$W/vqa_${layers}_$seed" \
            --cfg-options randomness.seed="$seed" model.multimodal_backbone.num_layers=$layers
    done
done
python tools/compare_runs.py two="$(runs 2)" one="$(runs 1)"
