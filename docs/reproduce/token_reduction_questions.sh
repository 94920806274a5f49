#!/usr/bin/env bash
# What reducing tokens costs in questions, embedded world (docs/results.md). Run token_reduction_retrieval.sh before.
# SEEDS and W (where the runs go) can be set in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
W=${W:-work_dirs/results/token_reduction}
SEEDS=${SEEDS:-0 1 4 7}
BACKBONE=model.towers.vision_backbone
VQA="python tools/train.py configs/shape_world/vit_vqa.py --amp"
FOUR="train_cfg.max_epochs=4 train_cfg.val_interval=4"

runs() { for seed in $SEEDS; do echo "$W/$1_$seed"; done | paste -sd, -; }

# The model that all rows start from has learned to look at the image: 6 epochs, then 8.
PRETRAINED=$W/pretrain_all_0/epoch_8.pth $VQA --work-dir "$W/vqa6" --cfg-options train_cfg.max_epochs=6
PRETRAINED=$W/vqa6/epoch_6.pth $VQA --work-dir "$W/vqa14" --cfg-options train_cfg.max_epochs=8 train_cfg.val_interval=4
export PRETRAINED=$W/vqa14/epoch_8.pth
for seed in $SEEDS; do
    $VQA --work-dir "$W/vqa_all_$seed" --cfg-options randomness.seed="$seed" $FOUR
    for rate in 0.7 0.5 0.3; do
        $VQA --work-dir "$W/vqa_${rate}_$seed" --cfg-options randomness.seed="$seed" $FOUR $BACKBONE.keep_rate=$rate
        $VQA --work-dir "$W/vqa_both_${rate}_$seed" \
            --cfg-options randomness.seed="$seed" $FOUR $BACKBONE.keep_rate=$rate $BACKBONE.guide=both
        python tools/test.py configs/shape_world/vit_vqa.py "$W/vqa_all_$seed/epoch_4.pth" --amp \
            --work-dir "$W/vqa_test_${rate}_$seed" --cfg-options $BACKBONE.keep_rate=$rate
    done
    $VQA --work-dir "$W/vqa_faster_$seed" --cfg-options randomness.seed="$seed" $FOUR $BACKBONE.keep_rate=0.3 \
        $BACKBONE.guide=both optim_wrapper.paramwise_cfg.custom_keys.text_queries.lr_mult=1.0
    for rate in 0.7 0.3; do
        $VQA --work-dir "$W/vqa_text_${rate}_$seed" \
            --cfg-options randomness.seed="$seed" $FOUR $BACKBONE.keep_rate=$rate $BACKBONE.guide=text
    done
done
for rate in 0.7 0.5 0.3; do
    python tools/benchmarks/speed_quality.py all="$(runs vqa_all)" "merged=$(runs vqa_$rate)" \
        "the question weighs=$(runs vqa_both_$rate)" "test alone=$(runs vqa_test_$rate)" --metric vqa/accuracy
done
python tools/compare_runs.py merged="$(runs vqa_0.3)" both="$(runs vqa_both_0.3)" faster="$(runs vqa_faster)"
python tools/compare_runs.py "70 % TRIPS=$(runs vqa_text_0.7)" "30 % TRIPS=$(runs vqa_text_0.3)"
