"""contrast.py over the tokens of a frozen ViT.

    python tools/cache_grids.py configs/flickr8k/vit_tokens.py data/flickr8k_tokens    # once
    python tools/train.py configs/flickr8k/vit_contrast.py --amp
    python tools/train.py configs/flickr8k/vit_retrieval.py --amp                      # second stage

$TOKENS: where the tokens are.
"""

_base_ = ['./contrast.py']

model = dict(towers=dict(neck=dict(in_channels=384)))
pipeline = [dict(type='LoadImageTokens', root='{{$TOKENS:data/flickr8k_tokens}}'), {{_base_.tokenize}}, {{_base_.pack}}]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
