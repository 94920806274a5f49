#!/usr/bin/env bash
# What merging tokens costs in retrieval, embedded world (docs/results.md).
# SEEDS and W (where the runs go) can be set in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
W=${W:-work_dirs/results/token_reduction}
SEEDS=${SEEDS:-0 1 2}
RATE=model.towers.vision_backbone.keep_rate

both_stages() {    # name, seed, options
    local name=$1 seed=$2
    shift 2
    python tools/train.py configs/shape_world/vit_pretrain.py --amp --work-dir "$W/pretrain_${name}_$seed" \
        --cfg-options randomness.seed="$seed" "$@"
    PRETRAINED=$W/pretrain_${name}_$seed/epoch_8.pth \
        python tools/train.py configs/shape_world/vit_retrieval.py --amp --work-dir "$W/retrieval_${name}_$seed" \
        --cfg-options randomness.seed="$seed" "$@"
}
runs() { for seed in $SEEDS; do echo "$W/retrieval_$1_$seed"; done | paste -sd, -; }

python tools/train.py configs/shape_world/vit_backbone.py --amp --work-dir "$W/backbone"
export BACKBONE=$W/backbone/epoch_4.pth
for seed in $SEEDS; do
    both_stages all "$seed" $RATE=1.0
    both_stages 50 "$seed" $RATE=0.5
    both_stages 50_one_layer "$seed" $RATE=0.5 model.multimodal_backbone.num_layers=1
    python tools/test.py configs/shape_world/vit_retrieval.py "$W/retrieval_all_$seed/epoch_1.pth" --amp \
        --work-dir "$W/retrieval_test_50_$seed" --cfg-options $RATE=0.5
done
both_stages 30_one_layer 0 $RATE=0.3 model.multimodal_backbone.num_layers=1
python tools/benchmarks/speed_quality.py all="$(runs all)" "50 %=$(runs 50)" "50 %, one layer=$(runs 50_one_layer)" \
    "30 %, one layer=$W/retrieval_30_one_layer_0" "50 %, test alone=$(runs test_50)" --metric retrieval/mAP
