#!/usr/bin/env python
"""Are two versions of the code the same training? Records steps of one version, and compares them with another's.

    python tools/benchmarks/identical_steps.py record full OUT_A                      # in a checkout of the one commit
    python tools/benchmarks/identical_steps.py record full OUT_B --start OUT_A        # in one of the other
    python tools/benchmarks/identical_steps.py compare OUT_A OUT_B

What is trained (`full`: the embedded world with every part of the recipe, 20 steps; `base`: the paper's recipe on a narrow
model, 5 steps) starts from the weights in --start, converted to this version's names; dropout is off, numbers are float64.
`compare` prints the largest difference of losses, gradients (relative to a tensor's largest) and final weights.
"""

import argparse
import random
import re
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import Tensor, nn

from sacl_mm.checkpoints import from_earlier_names, has_earlier_names, read_plain
from sacl_mm.registry import DATASETS, MODELS

STEPS, BATCH = {'full': 20, 'base': 5}, {'full': 32, 'base': 8}
# Where the configurations are, in the order of versions.
CONFIGS = {
    'full': ('configs/shape_world/full.py', 'configs/shape_world/full.py'),
    'base': ('configs/sacl/pretrain.py',),
}
# Options of the narrow model, by the type of what they are for.
NARROW = {
    'mmpretrain.VisionTransformer': dict(
        arch=dict(embed_dims=64, num_layers=3, num_heads=4, feedforward_channels=128), img_size=64, init_cfg=None
    ),
    'ImageTokenNeck': dict(in_channels=64),
    'BertTextEncoder': dict(width=64, num_layers=2, num_heads=4, checkpoint=None),
    'FusionEncoder': dict(width=64, image_width=64, num_layers=2, num_heads=4, checkpoint=None),
    'MatchingHead': dict(width=64),
    'MaskedLanguageHead': dict(width=64),
    'SACLPretrain': dict(queue_size=1000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    recorder = commands.add_parser('record')
    recorder.add_argument('what', choices=STEPS)
    recorder.add_argument('out', type=Path)
    recorder.add_argument('--start', type=Path, help='the record whose first weights are taken')
    recorder.add_argument('--float32', action='store_true')
    comparer = commands.add_parser('compare')
    comparer.add_argument('first', type=Path)
    comparer.add_argument('second', type=Path)
    args = parser.parse_args()
    if args.command == 'record':
        record(args.what, args.out, args.start, torch.float32 if args.float32 else torch.float64)
    else:
        compare(args.first, args.second)


# ------------------------------------------------------------------------------------------------------------ record
def record(what: str, out: Path, start: Path | None, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True, warn_only=True)
    out.mkdir(parents=True)
    cfg = Config.fromfile(next(path for path in CONFIGS[what] if Path(path).exists()))
    data = Config.fromfile(next(path for path in CONFIGS['full'] if Path(path).exists())).train_dataloader.dataset
    cfg.model.reference_checkpoint = str(out / 'reference.pth')
    if what == 'base':
        narrow(cfg.model)
    with MODELS.switch_scope_and_registry('sacl_mm'):
        model = MODELS.build(cfg.model)
        dataset = DATASETS.build(data)
        first = weights(start, 'first.pth') if start else model.state_dict()
        reference = weights(start, 'reference.pth') if start else reference_weights(model)
        torch.save(dict(state_dict=reference), out / 'reference.pth')
        model.load_state_dict(
            {key: value for key, value in first.items() if not key.startswith('reference.')}
            | {key: value for key, value in model.state_dict().items() if key.startswith('reference.')}
        )
        model.reference.load()
        torch.save(dict(state_dict=model.state_dict()), out / 'first.pth')
        without_dropout(model.to(dtype))
        optim_wrapper = build_optim_wrapper(model, recording(cfg.optim_wrapper))
    in_precision(model, dtype)
    model.train()
    steps, size = STEPS[what], BATCH[what]
    records = []
    for step in range(steps):
        random.seed(step)
        np.random.seed(step)  # noqa: NPY002  (what mmcv's transforms use)
        samples = [dataset[(step * size + number) % len(dataset)] for number in range(size)]
        model.set_progress(step, steps, 0)
        losses = model.train_step(pseudo_collate(samples), optim_wrapper)
        losses = {name: value.item() for name, value in losses.items() if 'loss' in name}
        gradients = dict(zip(dict(model.named_parameters()), optim_wrapper.gradients, strict=True))
        records.append(dict(losses=losses, gradients={k: v for k, v in gradients.items() if v is not None}))
        print(f'step {step}: ' + ', '.join(f'{name} {value:.6f}' for name, value in losses.items()), flush=True)
    torch.save(dict(steps=records, last=model.state_dict()), out / 'steps.pth')


def recording(cfg: dict) -> dict:
    """The options of an optimizer wrapper in full precision, which keeps each step's gradients before they are clipped."""
    return dict(cfg, type=RecordingOptimWrapper)


class RecordingOptimWrapper(OptimWrapper):
    gradients: list[Tensor | None] = []
    parameters: list[nn.Parameter] = []

    def step(self, **kwargs) -> None:
        self.gradients = [None if p.grad is None else p.grad.clone() for p in self.parameters]
        super().step(**kwargs)


def weights(folder: Path, name: str) -> dict[str, Tensor]:
    """A state dict of a record with the names of this version."""
    state = read_plain(folder / name)['state_dict']
    return current(state)


def current(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return from_earlier_names(state).state if has_earlier_names(state) else state


def reference_weights(model: nn.Module) -> dict[str, Tensor]:
    """Towers with random weights of their own."""
    torch.manual_seed(1)
    state = {key: value for key, value in model.state_dict().items() if key.startswith('towers.')}
    noise = {key: 0.1 * value.std(correction=0) * torch.randn_like(value) for key, value in state.items()}
    return {key: value + noise[key] for key, value in state.items()}


def narrow(cfg: object) -> None:
    """Change a configuration in place as NARROW says, wherever a type of it stands."""
    if isinstance(cfg, dict):
        for key, value in NARROW.get(cfg.get('type'), {}).items():
            cfg[key] = value
        for value in cfg.values():
            narrow(value)


def without_dropout(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if re.fullmatch('_?(attention_)?dropout(_p|_prob)?', name) and isinstance(value, float):
                setattr(module, name, 0.0)


def in_precision(model: nn.Module, dtype: torch.dtype) -> None:
    """Let the data preprocessor's images have the precision of the weights."""
    plain = model.data_preprocessor.forward

    def forward(data: dict, training: bool = False) -> dict:
        batch = plain(data, training)
        return {k: v.to(dtype) if isinstance(v, Tensor) and v.is_floating_point() else v for k, v in batch.items()}

    model.data_preprocessor.forward = forward
    RecordingOptimWrapper.parameters = list(model.parameters())


# ----------------------------------------------------------------------------------------------------------- compare
def compare(first: Path, second: Path) -> None:
    one, other = (loaded(folder) for folder in (first, second))
    if len(one['steps']) != len(other['steps']):
        raise SystemExit(f'{len(one["steps"])} and {len(other["steps"])} steps')
    for number, (a, b) in enumerate(zip(one['steps'], other['steps'], strict=True)):
        loss = max(abs(a['losses'][name] - value) for name, value in b['losses'].items())
        print(f'step {number}: losses {loss:.1e}, gradients {difference(a["gradients"], b["gradients"]):.1e}')
    print(f'weights after {len(one["steps"])} steps: {difference(one["last"], other["last"], relative=False):.1e}')


def loaded(folder: Path) -> dict:
    """A record with the names of this version."""
    record = read_plain(folder / 'steps.pth')
    steps = [step | dict(gradients=current(step['gradients'])) for step in record['steps']]
    return dict(steps=steps, last=current(record['last']))


def difference(one: dict[str, Tensor], other: dict[str, Tensor], relative: bool = True) -> float:
    if one.keys() != other.keys():
        raise SystemExit(f'other names: {sorted(one.keys() ^ other.keys())[:4]}')
    return max(
        ((one[name] - value).abs().max() / (value.abs().max().clamp(min=1e-12) if relative else 1)).item()
        for name, value in other.items()
        if value.is_floating_point() and value.numel()
    )


if __name__ == '__main__':
    main()
