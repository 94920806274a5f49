#!/usr/bin/env bash
# The models in models/shape_world: retrieval, questions and statements about two images in the embedded world.
# W (where the runs go) and OUT (must not exist) can be set in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
W=${W:-work_dirs/results/models}
OUT=${OUT:-models/shape_world}

python tools/train.py configs/shape_world/backbone.py --work-dir "$W/backbone"
export BACKBONE=$W/backbone/epoch_16.pth
python tools/train.py configs/shape_world/pretrain.py --work-dir "$W/pretrain"
export PRETRAINED=$W/pretrain/epoch_8.pth ASSIGNED=$W/nlvr2_pretrain/epoch_2.pth
for task in retrieval vqa nlvr2_pretrain nlvr2; do
    python tools/train.py configs/shape_world/$task.py --work-dir "$W/$task"
done
for task in retrieval vqa nlvr2; do
    python tools/model_converters/publish_model.py "$W/$task" "$OUT/$task"
    python tools/test.py "$OUT/$task/$task.py" "$OUT/$task/model.safetensors" --work-dir "$W/test/$task"
done
