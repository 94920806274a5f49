"""A finished training: its model, what it makes of the validation split, and its measures.

Shapes: N pictures, T captions, E embedding.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import Tensor

from sacl_mm.checkpoints import read_plain, weights_of
from sacl_mm.models import SACLContrastiveLoss
from sacl_mm.registry import METRICS, MODELS
from sacl_mm.report.scalars import Curve, read_scalars
from sacl_mm.report.validation import Validation


@dataclass
class EvaluatedRun:
    """Features are of unit length, in the order of the validation split."""

    cfg: Config
    loss: SACLContrastiveLoss
    image_feature_NE: Tensor
    text_feature_TE: Tensor
    metrics: dict[str, float]
    epochs: int
    checkpoint: Path
    curves: dict[str, Curve] = field(default_factory=dict)


def evaluate_run(run_dir: Path) -> tuple[EvaluatedRun, Validation]:
    """Load the last checkpoint below `run_dir` and the configuration that lies beside it, and measure it in full.

    Raises:
        FileNotFoundError: no checkpoint or configuration there.
    """
    checkpoint, cfg = last_checkpoint(run_dir), Config.fromfile(_config_file(run_dir))
    content = read_plain(checkpoint)
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        model = MODELS.build(cfg.model).eval()
        loader = Runner.build_dataloader(cfg.val_dataloader, seed=0)
        metric = METRICS.build(cfg.val_evaluator)
    model.load_state_dict(weights_of(content, f"checkpoint '{checkpoint}'"))
    with torch.no_grad():
        for batch in loader:
            metric.process(batch, [sample.to_dict() for sample in model.test_step(batch)])
    # The report has a table of its own.
    MMLogger.get_current_instance().setLevel('WARNING')
    run = EvaluatedRun(
        cfg,
        model.contrastive_loss,
        torch.stack([result['image'] for result in metric.results]),
        torch.cat([result['texts'] for result in metric.results]),
        metric.compute_metrics(metric.results),
        content['meta']['epoch'],
        checkpoint,
        read_scalars(run_dir),
    )
    return run, Validation(loader.dataset)


def last_checkpoint(run_dir: Path) -> Path:
    """The newest checkpoint; also after the folder was moved, for only the name in `last_checkpoint` is used."""
    pointer = run_dir / 'last_checkpoint'
    path = run_dir / Path(pointer.read_text().strip()).name if pointer.is_file() else None
    if path is None or not path.is_file():
        raise FileNotFoundError(f'{run_dir} has no checkpoint: train it first')
    return path


def _config_file(run_dir: Path) -> Path:
    files = sorted(run_dir.glob('*.py'))
    if len(files) != 1:
        raise FileNotFoundError(f'{run_dir} should have one configuration (*.py), it has {len(files)}')
    return files[0]
