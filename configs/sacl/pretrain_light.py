"""pretrain.py made light: fewer picture tokens from layer to layer, and no momentum teacher.

    tools/dist_train.sh configs/sacl/pretrain_light.py 8 --amp

* After layers 3, 6 and 9 the ViT keeps 60 % of a picture's tokens, those that its own first token attends to the most, and
  fuses the rest into one (EViT): of 256 tokens 57 and the last fused one reach the fusion encoder. Features stay independent
  of texts, so that retrieval can keep them.
* Negatives are those of all processes' batches, without teacher, queue and distillation; weights are self-regulated.

docs/benchmarks.md has its speed; docs/results.md what switching it on costs a small model in the embedded world. Not trained
at full scale.
"""

_base_ = ['./pretrain.py']

model = dict(
    towers=dict(backbone=dict(type='TokenReducedViT', guide='class', reduction_layers=(3, 6, 9), keep_rate=0.6)),
    contrastive_loss=dict(policy=dict(_delete_=True, type='SimilarityRegulation', similarity_temperature=0.3)),
    queue_size=0,
    momentum=None,
    reference_checkpoint=None,
)
