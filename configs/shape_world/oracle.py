"""The upper bound in the embedded world: InfoNCE without the negatives that are known to be false.

python tools/train.py configs/shape_world/oracle.py
"""

_base_ = ['./infonce.py']

model = dict(
    contrastive_loss=dict(policy=dict(_delete_=True, type='OracleRemoval', relevance=dict(type='ShapeWorldRelevance')))
)
