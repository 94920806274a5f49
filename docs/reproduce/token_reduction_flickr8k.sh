#!/usr/bin/env bash
# What merging tokens costs in retrieval on photographs (docs/results.md).
# Needs FLICKR8K, MINILM and RESNET50; SEEDS and W (where the runs go) can be set in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${FLICKR8K:?the folder of Flickr8k}" "${MINILM:?a folder or hub name}" "${RESNET50:?a checkpoint}"
export OMP_NUM_THREADS=1 GRIDS=${GRIDS:-data/flickr8k_grids}
W=${W:-work_dirs/results/token_reduction_flickr8k}
SEEDS=${SEEDS:-0 1 2}

runs() { for seed in $SEEDS; do echo "$W/$1_$seed"; done | paste -sd, -; }

python tools/cache_grids.py configs/flickr8k/grids.py "$GRIDS"
for seed in $SEEDS; do
    python tools/train.py configs/flickr8k/hybrid_contrast.py --amp --work-dir "$W/first_$seed" --cfg-options randomness.seed="$seed"
    export CONTRAST=$W/first_$seed/epoch_2.pth
    second="python tools/train.py configs/flickr8k/hybrid_retrieval.py --amp"
    epoch="randomness.seed=$seed train_cfg.max_epochs=1 train_cfg.val_interval=1"
    half=model.towers.vision_backbone.keep_rate=0.5
    $second --work-dir "$W/all_$seed" --cfg-options $epoch
    $second --work-dir "$W/half_$seed" --cfg-options $epoch $half
    $second --work-dir "$W/half_one_layer_$seed" --cfg-options $epoch $half model.multimodal_backbone.num_layers=1
done
python tools/compare_runs.py first="$(runs first)" all="$(runs all)" half="$(runs half)" one="$(runs half_one_layer)"
