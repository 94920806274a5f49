"""Every part of the paper's recipe at tiny size: reference model with alpha 1 -> 0, momentum teacher with distillation, queue,
fusion, matching and masked language modelling.

    python tools/train.py configs/shape_world/infonce.py    # the reference model H
    python tools/train.py configs/shape_world/full.py
"""

_base_ = [
    '../_base_/models/sacl_tiny.py',
    '../_base_/datasets/shape_world.py',
    '../_base_/schedules/shape_world.py',
    '../_base_/default_runtime.py',
]

model = dict(
    contrastive_loss=dict(
        policy=dict(
            _delete_=True,
            type='MomentumDistillation',
            weight=0.4,
            ramp=1 / 8,
            base_policy=dict(type='SimilarityRegulation', similarity_temperature=0.3, alpha=(1.0, 0.0)),
        )
    ),
    queue_size=1024,
    momentum=dict(decay=0.98, mlm_distillation=0.4, ramp=1 / 8),
    reference_checkpoint='{{$REFERENCE:work_dirs/shape_world/infonce/epoch_8.pth}}',
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))  # at 3e-3 masked language modelling is unstable
default_hooks = dict(logger=dict(interval=16))
