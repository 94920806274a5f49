"""What token reduction saves in the image encoder: operations and seconds of a forward pass, by the share of tokens kept.

    python tools/benchmarks/token_reduction.py                  # ViT-B/16, 256 px
    python tools/benchmarks/token_reduction.py --image-size 384

After layers 5 and 10, as TRIPS; 50 %, merged, is pretrain_light.py's form. Random weights and images. Guided by the
image's own class token, where nothing else is said; a text as guide saves as much, as it takes a few operations an image.
"""

import argparse
from functools import partial

import torch
from measure import alternate, machine, operations, print_table

from sacl_mm.compatibility import load_mmpretrain

load_mmpretrain()
from sacl_mm.models.backbones import TokenReducedViT  # noqa: E402  (needs the above)

TRIPS = (5, 10)
SIDES = {
    'no reduction': dict(keep_rate=1.0),
    '70 %, by the text': dict(keep_rate=0.7, reduction_layers=TRIPS, guide='text'),
    '70 %, merged': dict(keep_rate=0.7, reduction_layers=TRIPS),
    '50 %, by the text': dict(keep_rate=0.5, reduction_layers=TRIPS, guide='text'),
    '50 %, merged': dict(keep_rate=0.5, reduction_layers=TRIPS),
    '30 %, merged, weighed by a text': dict(keep_rate=0.3, reduction_layers=TRIPS, guide='both'),
    '60 %, three times, merged': dict(keep_rate=0.6, reduction_layers=(3, 6, 9)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--arch', default='base', help="mmpretrain's name of a ViT of at least 10 layers")
    parser.add_argument('--image-size', type=int, default=256)
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    args = parser.parse_args()
    device = torch.device(args.device)
    images = torch.randn(args.batch, 3, args.image_size, args.image_size, device=device)
    vit = partial(TokenReducedViT, arch=args.arch, img_size=args.image_size, patch_size=16)
    models = {name: vit(**options).to(device) for name, options in SIDES.items()}
    for model in models.values():
        model.eval()
    texts = torch.randn(args.batch, model.embed_dims, device=device)
    with torch.inference_mode():
        tokens = {name: model(images[:1], texts[:1])[-1].shape[1] for name, model in models.items()}
        counted = {name: operations(partial(model, images[:1], texts[:1])) for name, model in models.items()}
        times = alternate({name: partial(model, images, texts) for name, model in models.items()}, args.repeats, device)
    first = next(iter(SIDES))
    rows = [
        [
            name,
            f'{tokens[name]}',
            f'{counted[name] / 1e9:.2f}',
            f'{counted[name] / counted[first]:.0%}',
            f'{median:.3f} ± {spread:.3f}',
            f'{times[first][0] / median:.2f} x',
        ]
        for name, (median, spread) in times.items()
    ]
    print_table(
        f'Forward pass of ViT {args.arch}, patches of 16, {args.image_size} px, {args.batch} images, float32; '
        f'{machine(device)}; median of {args.repeats}',
        ['tokens that stay', 'tokens at the end', 'GFLOP an image', 'of all', 'seconds', f'as fast as {first}'],
        rows,
    )


if __name__ == '__main__':
    main()
