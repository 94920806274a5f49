"""The grids of models with fusion: ALBEF's pre-training, hard negatives of matching, and downstream tasks."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from measures import MEASURES, RERANKED_MEASURES
from records import Record
from runs import SEEDS, Grid, Run, product
from variants import CHECKPOINT, MATCHING, VARIANTS

ALBEF = 'projects/false_negatives/configs/albef.py'
PRETRAIN = 'projects/false_negatives/configs/pretrain.py'
RERANKED = 'projects/false_negatives/configs/matching.py'
START = 'pre-training'


def albef(known: Sequence[Record]) -> Grid:
    """The paper's ablation: pre-training with a momentum teacher, measured by the contrast alone."""
    labels = ['ALBEF', 'ALBEF++', 'ALBEF++, threshold 0.3', 'ALBEF, SACL', 'ALBEF, SACL, H']
    return Grid(product(ALBEF, labels, {}, SEEDS[:2]), metrics=MEASURES, base='ALBEF')


def matching(known: Sequence[Record]) -> Grid:
    """False negatives among the hard negatives of image-text matching, at two temperatures of their draws."""
    runs = []
    for seed in SEEDS[:2]:
        for temperature in (1.0, 0.1):
            setting = dict(temperature=temperature)
            runs.append(Run(START, PRETRAIN, {}, seed, setting=setting))
            for label, options in MATCHING.items():
                options = {**options, 'load_from': CHECKPOINT, 'model.negative_temperature': temperature}
                runs.append(Run(label, RERANKED, options, seed, START, setting))
    return Grid(runs, metrics=RERANKED_MEASURES)


def _downstream(*configs: str, metrics: Sequence[str]) -> Grid:
    """Pre-training with each policy, for contrast and matching alike, and the same trainings after it for all."""
    runs = []
    labels = ('InfoNCE', 'soft targets, weight 0.3', 'soft targets', 'soft targets, matching by captions', 'oracle')
    for label, seed in itertools.product(labels, SEEDS[:2]):
        names = [f'{label}: {Path(config).stem}' for config in (PRETRAIN, *configs[:-1])] + [label]
        options = MATCHING[label] if label in MATCHING else VARIANTS[label].options
        runs.append(Run(names[0], PRETRAIN, options, seed))
        for config, before, name in zip(configs, names, names[1:], strict=False):
            runs.append(Run(name, config, {'load_from': CHECKPOINT}, seed, before))
    return Grid(runs, metrics=metrics)


def downstream_retrieval(known: Sequence[Record]) -> Grid:
    """Re-ranked retrieval after pre-training with each policy."""
    return _downstream(RERANKED, metrics=RERANKED_MEASURES)


def downstream_vqa(known: Sequence[Record]) -> Grid:
    """Questions, likewise."""
    return _downstream('configs/shape_world/vqa.py', metrics=['vqa/accuracy'])


def downstream_nlvr2(known: Sequence[Record]) -> Grid:
    """Statements about two images, likewise."""
    both = ['nlvr2/accuracy', 'nlvr2/consistency']
    return _downstream('configs/shape_world/nlvr2_pretrain.py', 'configs/shape_world/nlvr2.py', metrics=both)
