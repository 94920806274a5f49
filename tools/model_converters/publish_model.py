#!/usr/bin/env python
"""A trained model as a folder to share: `python tools/model_converters/publish_model.py MODEL OUT_DIR`.

MODEL is a work directory or a checkpoint in one. OUT_DIR gets `model.safetensors`, the weights in float16 without what only
training needs (teacher, queue, reference model), and the configuration of the model and its test, without names of your files.
`ImageTextInferencer(OUT_DIR)` and the tools that take a model read it.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from sacl_mm.user_error import UserError

_KEPT = ('default_scope', 'custom_imports', 'model', 'test_dataloader', 'test_cfg', 'test_evaluator')
# Of a dataset: where the files of the one who trained it are.
_OWN_FILES = ('ann_file', 'data_root', 'split_file')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', type=Path, metavar='MODEL')
    parser.add_argument('out_dir', type=Path, metavar='OUT_DIR')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    # Here, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: publish(args.model, args.out_dir))


def publish(model: Path, out_dir: Path) -> None:
    from mmengine.config import Config
    from safetensors.torch import save_file

    from sacl_mm.checkpoints import read_state_dict
    from sacl_mm.engine.checks.files import check_folder
    from sacl_mm.inference import ImageTextInferencer
    from sacl_mm.inference.model_folder import find_model
    from sacl_mm.inference.trained_model import load_model
    from sacl_mm.models.starting_weights import TRAINING_STATE

    cfg, checkpoint = find_model(model)
    check_folder(out_dir, 'OUT_DIR')
    if out_dir.is_dir() and any(out_dir.iterdir()):
        raise UserError(f"OUT_DIR '{out_dir}' is not empty: name a new folder")
    shared = Config({key: _without_folders(cfg[key]) for key in _KEPT if cfg.get(key) is not None})
    dataset = shared.test_dataloader.dataset
    for key in _OWN_FILES:
        if key in dataset:
            dataset[key] = ''
    if 'data_prefix' in dataset:
        dataset.data_prefix.img_path = ''
    load_model(cfg, checkpoint)  # says so if they do not fit
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in read_state_dict(checkpoint).items()
        if not name.startswith(TRAINING_STATE)
    }
    out_dir.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in state.items()}, out_dir / 'model.safetensors')
    shared.dump(out_dir / f'{Path(cfg.filename).stem}.py')
    (out_dir / 'model.safetensors').chmod(0o644)
    ImageTextInferencer(out_dir)  # says so if a file is needed that has not come along
    size = os.path.getsize(out_dir / 'model.safetensors') / 2**20
    print(f'{out_dir}: {len(state)} tensors, {size:.1f} MiB')


def _without_folders(value: Any) -> Any:
    """Of absolute names of files only the last part stays."""
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_without_folders(inner) for inner in value)
    return os.path.basename(value) if isinstance(value, str) and os.path.isabs(value) else value


if __name__ == '__main__':
    main()
