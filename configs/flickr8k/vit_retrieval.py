"""retrieval.py over the tokens of a frozen ViT; vit_contrast.py comes first.

    python tools/train.py configs/flickr8k/vit_retrieval.py --amp

$CONTRAST: another checkpoint of the first stage; $TOKENS: where the tokens are.
"""

_base_ = ['./retrieval.py']

load_from = '{{$CONTRAST:work_dirs/flickr8k/vit_contrast/epoch_3.pth}}'
model = dict(towers=dict(neck=dict(in_channels=384)))
pipeline = [dict(type='LoadImageTokens', root='{{$TOKENS:data/flickr8k_tokens}}'), {{_base_.tokenize}}, {{_base_.pack}}]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
