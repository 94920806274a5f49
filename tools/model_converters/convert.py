#!/usr/bin/env python
"""Convert a checkpoint file: `python tools/model_converters/convert.py CONVERSION SOURCE TARGET`.

from-albef  ALBEF's pre-training, retrieval, VQA, NLVR2 or text-assignment model -> ours, for `load_from`
to-albef    ours -> ALBEF's, for its `--checkpoint`
from-clip   CLIP with a ViT, of OpenAI, open_clip or Hugging Face -> mmpretrain's VisionTransformer, with 'backbone.' before
            each key

to-pretrained  ours with `PretrainedTowers` -> the library that it started from: a folder for transformers (of a CLIP also
               for sentence-transformers), or a checkpoint file for open_clip; SOURCE is a work dir, a model's folder, or a
               checkpoint with its configuration beside it

from-earlier  ours, from before parts of the models were renamed -> today's names, weights alone

SOURCE is a safetensors file or a checkpoint of PyTorch. Files are read as data: nothing in them is run, so that TorchScript
archives are refused. Tensors that are unknown, missing or of another shape end the conversion, unless `--allow` names the
beginnings of their keys: then they are left out.
"""

import argparse
import os
import tempfile
from collections import Counter
from pathlib import Path

from sacl_mm.user_error import UserError

# The function of `sacl_mm.checkpoints`, and under which key of the file its result goes.
CONVERSIONS = {
    'from-albef': ('albef_to_ours', 'state_dict'),
    'to-albef': ('ours_to_albef', 'model'),
    'from-clip': ('clip_to_vision_transformer', 'state_dict'),
    'from-earlier': ('from_earlier_names', 'state_dict'),
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('conversion', choices=[*CONVERSIONS, 'to-pretrained'])
    parser.add_argument('source', type=Path)
    parser.add_argument('target', type=Path, help='must not exist')
    parser.add_argument('--allow', nargs='+', default=[], metavar='KEY_PREFIX', help='of keys in SOURCE to leave out')
    return parser.parse_args()


def save_pretrained(source: Path, target: Path) -> None:
    from sacl_mm.inference.model_folder import find_model  # the other conversions need no models
    from sacl_mm.inference.trained_model import load_model

    model = load_model(*find_model(source), device='cpu')
    towers = getattr(model, 'towers', None)
    if not hasattr(towers, 'save'):
        raise UserError(
            f"'{source}' is a {type(model).__name__} without PretrainedTowers: there is no library to go back to"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        beside = Path(folder) / target.name
        towers.save(beside, model.contrastive_loss.temperature)
        os.replace(beside, target)  # never half of it under its name
    print(f'{target}: for {towers.pretrained}')


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: convert(args))


def convert(args: argparse.Namespace) -> None:
    import torch

    from sacl_mm import checkpoints

    if args.target.exists():
        raise UserError(f"'{args.target}' exists already")
    if args.conversion == 'to-pretrained':
        save_pretrained(args.source, args.target)
        return
    function, under = CONVERSIONS[args.conversion]
    source = checkpoints.read_state_dict(args.source)
    checkpoints.check_finite_weights(source, f"checkpoint '{args.source}'")
    try:
        state, left_out = getattr(checkpoints, function)(source, allow=args.allow)
    except ValueError as error:
        raise UserError(f'{args.source}: {error}') from error
    args.target.parent.mkdir(parents=True, exist_ok=True)
    beside = args.target.with_name(f'{args.target.name}.tmp')
    torch.save({under: state}, beside)
    os.replace(beside, args.target)  # never half a file under its name
    print(f'{args.target}: {len(state)} tensors')
    if left_out:
        parts = Counter(key.split('.')[0] for key in left_out)
        print(f'left out, for want of a place: {", ".join(f"{part} ({count})" for part, count in parts.items())}')


if __name__ == '__main__':
    main()
