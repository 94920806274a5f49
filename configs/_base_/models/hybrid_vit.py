"""A small ViT over a CNN's cells instead of pixels, the hybrid of Dosovitskiy et al. (arXiv 2010.11929, section 3.1): 49 cells
of a frozen ResNet-50's grids and a class token. It may reduce them on its way."""

hybrid = dict(
    towers=dict(
        vision_backbone=dict(
            _delete_=True,  # in the place of None
            type='TokenReducedViT',
            arch=dict(embed_dims=256, num_layers=4, num_heads=4, feedforward_channels=1024),
            in_channels=3072,
            img_size=7,  # cells a side
            patch_size=1,
            guide='similarity',
            reduction_layers=(2, 3),
            keep_rate=1.0,  # no reduction
        ),
        neck=dict(_delete_=True, type='ImageTokenNeck', in_channels=256),
        image_head=None,
    )
)
load_cells = dict(type='LoadImageGrid', root='{{$GRIDS:data/flickr8k_grids}}', size=(7, 7))
