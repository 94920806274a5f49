#!/usr/bin/env bash
# Flickr8k on CPUs: frozen encoders, then a trained text encoder and re-ranking (docs/results.md).
# Needs FLICKR8K, MINILM and RESNET50; SEEDS and W (where the runs go) can be set in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${FLICKR8K:?the folder of Flickr8k}" "${MINILM:?a folder or hub name}" "${RESNET50:?a checkpoint}"
export OMP_NUM_THREADS=1 GRIDS=${GRIDS:-data/flickr8k_grids}
W=${W:-work_dirs/results/flickr8k}
SEEDS=${SEEDS:-0 1 2}

runs() { for seed in $SEEDS; do echo "$W/$seed/$1"; done | paste -sd, -; }

for seed in $SEEDS; do
    for name in frozen_infonce frozen; do
        python tools/train.py configs/flickr8k/$name.py --work-dir "$W/$seed/$name" --cfg-options randomness.seed="$seed"
    done
done
python tools/compare_runs.py InfoNCE="$(runs frozen_infonce)" SACL="$(runs frozen)"
for temperature in 1.0 0.15; do
    python tools/train.py configs/flickr8k/frozen.py --work-dir "$W/0/frozen_$temperature" \
        --cfg-options randomness.seed=0 model.contrastive_loss.policy.similarity_temperature=$temperature
done

python tools/cache_grids.py configs/flickr8k/grids.py "$GRIDS"
for seed in $SEEDS; do
    python tools/train.py configs/flickr8k/contrast.py --amp --work-dir "$W/$seed/contrast" --cfg-options randomness.seed="$seed"
    export CONTRAST=$W/$seed/contrast/epoch_3.pth
    second="python tools/train.py configs/flickr8k/retrieval.py --amp"
    fused="model.towers.neck.type=TokenReductionNeck model.towers.neck.keep_rate=0.7"
    $second --work-dir "$W/$seed/retrieval" --cfg-options randomness.seed="$seed"
    $second --work-dir "$W/$seed/fused" --cfg-options randomness.seed="$seed" $fused
    $second --work-dir "$W/$seed/one_layer" --cfg-options randomness.seed="$seed" $fused model.multimodal_backbone.num_layers=1
done
python tools/compare_runs.py first="$(runs contrast)" second="$(runs retrieval)" fused="$(runs fused)" one="$(runs one_layer)"
python tools/train.py configs/flickr8k/contrast.py --amp --work-dir "$W/0/contrast_0.3" \
    --cfg-options randomness.seed=0 model.contrastive_loss.policy.similarity_temperature=0.3
python tools/test.py configs/flickr8k/retrieval.py "$W/0/retrieval/epoch_2.pth" --amp --work-dir "$W/0/itm" \
    --cfg-options test_cfg.score=itm
