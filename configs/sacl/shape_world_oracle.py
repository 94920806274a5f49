"""The upper bound in the embedded world: InfoNCE without the negatives that are known to be false.

python tools/train.py configs/sacl/shape_world_oracle.py
"""

_base_ = ['./shape_world_infonce.py']

model = dict(
    contrastive_loss=dict(policy=dict(_delete_=True, type='OracleRemoval', relevance=dict(type='ShapeWorldRelevance')))
)
