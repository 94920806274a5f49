"""SACL in the embedded world: two towers, weights from the reference model H at first and from the model itself in the end.

    python tools/train.py configs/shape_world/infonce.py    # H, and what SACL is compared with
    python tools/train.py configs/shape_world/sacl.py

docs/results.md has the numbers of five seeds, and how long the two take. $REFERENCE: another checkpoint of H.
`full.py` adds fusion, matching, masked language modelling, momentum teacher and queue.
"""

_base_ = [
    '../_base_/models/sacl_tiny.py',
    '../_base_/datasets/shape_world.py',
    '../_base_/schedules/shape_world.py',
    '../_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DualEncoder',
    data_preprocessor={{_base_.model.data_preprocessor}},
    towers={{_base_.model.towers}},
    contrastive_loss=dict(
        type='SACLContrastiveLoss',
        policy=dict(type='SimilarityRegulation', similarity_temperature=0.3, alpha=(1.0, 0.0)),
    ),
    reference_checkpoint='{{$REFERENCE:work_dirs/shape_world/infonce/epoch_8.pth}}',
    diagnostics_interval=16,
)
default_hooks = dict(logger=dict(interval=16))
