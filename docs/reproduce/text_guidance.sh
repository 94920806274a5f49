#!/usr/bin/env bash
# Pre-training in which texts guide which tokens of their images stay, embedded world (docs/results.md).
# Run token_reduction_retrieval.sh before. SEEDS and W (where the runs go) can be set in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
W=${W:-work_dirs/results/token_reduction}
SEEDS=${SEEDS:-0 1}
export BACKBONE=$W/backbone/epoch_4.pth
TEXT="model.towers.vision_backbone.guide=text model.towers.vision_backbone.keep_rate=0.7"

for seed in $SEEDS; do
    # Retrieval can't be validated while texts guide images.
    python tools/train.py configs/shape_world/vit_pretrain.py --amp --work-dir "$W/pretrain_text_$seed" \
        --cfg-options randomness.seed="$seed" $TEXT val_dataloader=None val_cfg=None val_evaluator=None
done
PRETRAINED=$W/pretrain_text_0/epoch_8.pth \
    python tools/train.py configs/shape_world/vit_vqa.py --amp --work-dir "$W/vqa18_text_0" \
    --cfg-options randomness.seed=0 train_cfg.max_epochs=18 train_cfg.val_interval=6 $TEXT
