"""A small ViT for 64-pixel images, as wide as sacl_tiny.py's texts, so that a text may guide which of its 64 tokens stay.

Patches overlap (kernels of twice their side): a plain patch of 8 pixels holds a quarter of a small object.
pretrain_light.py's form is keep_rate=0.5.
"""

vit = dict(
    _delete_=True,  # in the place of sacl_tiny.py's ResNet
    type='TokenReducedViT',
    arch=dict(embed_dims=128, num_layers=6, num_heads=4, feedforward_channels=256),
    img_size=64,
    patch_size=8,
    patch_cfg=dict(kernel_size=16, padding=4),
    frozen_stages=2,  # those before the first selection; saves a fifth of the ViT's time
    guide='similarity',
    reduction_layers=(3, 5),  # as TRIPS spaces two selections in six layers
    keep_rate=1.0,  # no reduction
)
