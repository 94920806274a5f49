"""Every part of the paper's recipe at tiny size: reference model with alpha 1 -> 0, momentum teacher with distillation, queue.

python tools/train.py configs/sacl/shape_world_reference.py
python tools/train.py configs/sacl/shape_world_full.py
"""

_base_ = ['./shape_world.py']

model = dict(
    contrastive_loss=dict(
        policy=dict(
            _delete_=True,
            type='MomentumDistillation',
            weight=0.4,
            ramp=1 / 8,
            weights=dict(type='SimilarityRegulation', similarity_temperature=0.15, alpha=(1.0, 0.0)),
        )
    ),
    queue_size=1024,
    momentum=dict(decay=0.98, mlm_distillation=0.4, ramp=1 / 8),
    reference_checkpoint='work_dirs/shape_world_reference/epoch_8.pth',
)
