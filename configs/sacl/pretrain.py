"""SACL pre-training, the paper's recipe (Jiang et al., ACL 2023, App. D): 4M images, 30 epochs, batch 512, 256 px.

    tools/dist_train.sh configs/sacl/pretrain.py 8 --amp

Hardware in the paper: 8 GPUs. Published after COCO fine-tuning, Flickr30K zero-shot R@1: TR 92.4, IR 79.4 (the fair
baseline without SACL: 91.0, 77.4). Not measured here.

Needs the reference model H: first `configs/sacl/pretrain_reference.py`, or set
`model.reference_checkpoint=None model.contrastive_loss.policy.base_policy.alpha=0` for self-regulated weights.
The paper gives neither the norm nor delta nor the course of alpha: docs/design.md says what is chosen here.
"""

_base_ = [
    '../_base_/models/sacl_base.py',
    '../_base_/datasets/pretrain_4m.py',
    '../_base_/schedules/pretrain_30e.py',
    '../_base_/default_runtime.py',
]
