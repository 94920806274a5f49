#!/usr/bin/env bash
# DAQUAR on CPUs, seeing and blind (docs/results.md). Run flickr8k.sh before.
# Needs DAQUAR, MINILM and RESNET50; SEEDS, W and PRETRAINED can be set in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${DAQUAR:?the folder of DAQUAR}" "${MINILM:?a folder or hub name}" "${RESNET50:?a checkpoint}"
export OMP_NUM_THREADS=1 DAQUAR_GRIDS=${DAQUAR_GRIDS:-data/daquar_grids}
export DAQUAR_ANSWERS=${DAQUAR_ANSWERS:-data/daquar_answers.json}
export PRETRAINED=${PRETRAINED:-work_dirs/results/flickr8k/0/retrieval/epoch_2.pth}
W=${W:-work_dirs/results/daquar}
SEEDS=${SEEDS:-0 1 2}

runs() { for seed in $SEEDS; do echo "$W/$seed/$1"; done | paste -sd, -; }

python tools/cache_grids.py configs/daquar/grids.py "$DAQUAR_GRIDS"
python tools/make_answer_list.py configs/daquar/vqa.py "$DAQUAR_ANSWERS" --at-least 1
python tools/describe_data.py configs/daquar/vqa.py    # the most frequent answer
for seed in $SEEDS; do
    python tools/train.py configs/daquar/vqa.py --amp --work-dir "$W/$seed/seeing" --cfg-options randomness.seed="$seed"
    python tools/train.py configs/daquar/vqa.py --amp --work-dir "$W/$seed/blind" \
        --cfg-options randomness.seed="$seed" model.data_preprocessor.blind=True
done
python tools/compare_runs.py blind="$(runs blind)" seeing="$(runs seeing)"
