"""The twin of pretrain.py without SACL: InfoNCE with ALBEF's momentum distillation, all else equal (the fair baseline).

tools/dist_train.sh configs/sacl/pretrain_infonce.py 8 --amp
"""

_base_ = ['./pretrain.py']

model = dict(
    contrastive_loss=dict(policy=dict(base_policy=dict(_delete_=True, type='InfoNCE'))), reference_checkpoint=None
)
