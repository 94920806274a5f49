"""The grids of the study: which runs there are. Add a function and its row in `GRIDS`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fusion_grids import albef, downstream_nlvr2, downstream_retrieval, downstream_vqa, matching
from measures import MEASURES, PHOTO_MEASURES, RECALL, SENTENCES, WORDS
from plan import current
from records import Record
from runs import CHOICE, SEEDS, TUNING_SEEDS, Grid, Options, Run, axis, product
from tuning import tuned_options
from variants import CHOICES, PHOTO_CHOICES, POLICY, SOURCES, by_weight, removal

from sacl_mm.user_error import UserError, did_you_mean

SHAPE_WORLD = 'configs/shape_world/infonce.py'
WORLD = 'projects/false_negatives/configs/world.py'
INFORMATION = 'projects/false_negatives/configs/information.py'
FLICKR8K = 'projects/false_negatives/configs/flickr8k.py'
FLICKR8K_TEXT = 'projects/false_negatives/configs/flickr8k_text.py'
OWN = 'projects/false_negatives/configs/own.py'
RATE = 'optim_wrapper.optimizer.lr'
PHOTO_FINALISTS = ('weights x HN-NCE', 'HN-NCE', 'regression over HN-NCE, sentences', 'SACL')
# What is compared along an axis.
ON_AXES = ('InfoNCE', 'oracle', 'soft targets', 'SACL', 'SACL, H', 'HN-NCE')
# How many of all negatives are false under a detail of the language (tools/benchmarks/false_negative_estimate.py --detail).
AXIS, SHARES = 'false negatives, %', {11.9: 0, 19.7: -1, 4.0: 1, 1.2: 2}
# Where the language's detail is said.
DETAIL = ('train_dataloader.dataset.detail', 'val_dataloader.dataset.detail', 'val_evaluator.relevance.detail')


def smoke(known: Sequence[Record]) -> Grid:
    """Seconds a run: tries the runner, not the policies."""
    few = {
        'train_dataloader.dataset.num_images': 256,
        'val_dataloader.dataset.num_images': 50,
        'train_cfg.max_epochs': 1,
    }
    axes = {'batch': axis('train_dataloader.batch_size', 32, 64)}
    return Grid(product(SHAPE_WORLD, ['InfoNCE', 'oracle', 'SACL, H'], axes, seeds=[0, 1], options=few))


def choices_of(policies: Mapping[str, Any]) -> dict[str, dict[str, Options]]:
    return {CHOICE: {name: {POLICY: policy} for name, policy in policies.items()}}


def tuning(known: Sequence[Record]) -> Grid:
    """Each policy's own settings, at the centre point."""
    runs = [run for label in CHOICES for run in product(WORLD, [label], choices_of(CHOICES[label]), TUNING_SEEDS)]
    runs += product(WORLD, ['InfoNCE'], {}, TUNING_SEEDS)
    return Grid(runs, frontier=(RECALL, 'retrieval/mAP'))


def chosen(label: str, known: Sequence[Record]) -> Options:
    """What the grid `tuning` has found."""
    if label not in CHOICES:
        return {}
    grid = tuning(known)
    return tuned_options('tuning', grid, choices_of(CHOICES[label]), label, current('tuning', grid, known))


def rates(known: Sequence[Record]) -> Grid:
    """The learning rate of each policy, at the centre point."""
    labels = ['InfoNCE', 'oracle', *CHOICES]
    axes = {'lr': axis(RATE, 5e-4, 1e-3, 2e-3)}
    return Grid(product(WORLD, labels, axes, TUNING_SEEDS, tuned=lambda label: chosen(label, known)))


def sources(known: Sequence[Record]) -> Grid:
    """Screening of sources, directions and combinations."""
    return Grid(
        product(WORLD, ['InfoNCE', 'oracle', *SOURCES], {}, TUNING_SEEDS),
        frontier=('retrieval/R@mean', 'retrieval/mAP'),
    )


def finalists(known: Sequence[Record]) -> Grid:
    """The headline: seeds that had no part in any choice."""
    labels = ['InfoNCE', 'oracle', 'soft targets', 'soft targets, weight 0.3', 'SACL', 'HN-NCE']
    labels += ['SACL, H', 'InfoNCE, twice as long', 'weights x HN-NCE']
    return Grid(
        product(WORLD, labels, {}, SEEDS, tuned=lambda label: chosen(label, known)),
        metrics=MEASURES,
        pairs=[('SACL, H', 'InfoNCE, twice as long')],
        frontier=('retrieval/R@mean', 'retrieval/mAP'),
    )


def density(known: Sequence[Record]) -> Grid:
    """How many negatives are false: captions that name fewer or more attributes of each object."""
    axes = {AXIS: {share: dict.fromkeys(DETAIL if n else (), n) for share, n in SHARES.items()}}
    runs = product(WORLD, ON_AXES, axes, SEEDS[:2], tuned=lambda label: chosen(label, known))
    return Grid([replace(run, options=_oracle_knows(run)) for run in runs])


def batch(known: Sequence[Record]) -> Grid:
    """The size of a batch; as many images are seen."""
    axes = {'batch': axis('train_dataloader.batch_size', 128, 64, 256)}
    return Grid(product(WORLD, ON_AXES, axes, SEEDS[:2], tuned=lambda label: chosen(label, known)))


def length(known: Sequence[Record]) -> Grid:
    """The length of the training."""
    axes = {'epochs': axis('train_cfg.max_epochs', 8, 4, 16)}
    return Grid(product(WORLD, ON_AXES, axes, SEEDS[:2], tuned=lambda label: chosen(label, known)))


def images(known: Sequence[Record]) -> Grid:
    """The number of images; as many steps."""
    size, epochs = 'train_dataloader.dataset.num_images', 'train_cfg.max_epochs'
    axes = {'images': {8192: {}, 2048: {size: 2048, epochs: 32}, 32768: {size: 32768, epochs: 2}}}
    return Grid(product(WORLD, ON_AXES, axes, SEEDS[:2], tuned=lambda label: chosen(label, known)))


def thresholds(known: Sequence[Record]) -> Grid:
    """Removal of negatives, by SACL's weights as in the paper, and by evidence."""
    runs = product(WORLD, ['InfoNCE'], {}, TUNING_SEEDS)
    runs += product(WORLD, ['removal by weight'], _removals('removed: weight below', by_weight), TUNING_SEEDS)
    runs += product(
        WORLD, ['removal'], _removals('removed: coverage from', lambda t: removal('captions', t)), TUNING_SEEDS
    )
    return Grid(runs)


def _removals(name: str, policy: Callable[[float], dict[str, Any]]) -> dict[str, dict[float, Options]]:
    return {name: {threshold: {POLICY: policy(threshold)} for threshold in (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)}}


def information(known: Sequence[Record]) -> Grid:
    """What models know of false and of true negatives, and the weights that they give."""
    runs = product(INFORMATION, ON_AXES, {}, SEEDS[:2], tuned=lambda label: chosen(label, known))
    return Grid(runs, weights=True)


def photo_rates(known: Sequence[Record]) -> Grid:
    """Photographs: the learning rate of InfoNCE, before anything is compared with it."""
    axes = {'lr': axis(RATE, 5e-4, 1e-3, 2e-3)}
    return Grid(product(FLICKR8K, ['InfoNCE'], axes, TUNING_SEEDS), metrics=PHOTO_MEASURES)


def photo_tuning(known: Sequence[Record]) -> Grid:
    """Photographs: each policy's own settings."""
    runs = product(FLICKR8K, ['InfoNCE'], {}, TUNING_SEEDS)
    for label, policies in PHOTO_CHOICES.items():
        runs += product(FLICKR8K, [label], choices_of(policies), TUNING_SEEDS)
    return Grid(runs, metrics=PHOTO_MEASURES, frontier=(RECALL, SENTENCES))


def photos_chosen(label: str, known: Sequence[Record]) -> Options:
    """What the grid `photo_tuning` has found: the setting whose models agree most with the captions of other images, by the
    measure that the policy was not given, of those that cost no more than 0.3 of recall."""
    if label not in PHOTO_CHOICES:
        return {}
    grid, axes = photo_tuning(known), choices_of(PHOTO_CHOICES[label])
    measure = WORDS if 'sentences' in label else SENTENCES
    records = current('photo_tuning', grid, known)
    return tuned_options('photo_tuning', grid, axes, label, records, measure, (RECALL, 0.3))


def photos(known: Sequence[Record]) -> Grid:
    """Photographs: seeds that had no part in any choice."""
    labels = ['InfoNCE', *PHOTO_FINALISTS]
    runs = product(FLICKR8K, labels, {}, SEEDS, tuned=lambda label: photos_chosen(label, known))
    return Grid(runs, metrics=PHOTO_MEASURES, frontier=(RECALL, SENTENCES))


def photos_lr(known: Sequence[Record]) -> Grid:
    """Photographs at the rate where InfoNCE has the most recall (`photo_rates`), with what was tuned at 1e-3."""
    axes = {'lr': axis(RATE, 2e-3, 1e-3)}
    labels = ['InfoNCE', 'weights x HN-NCE', 'HN-NCE']
    runs = product(FLICKR8K, labels, axes, SEEDS[:3], tuned=lambda label: photos_chosen(label, known))
    return Grid(runs, metrics=PHOTO_MEASURES, frontier=(RECALL, SENTENCES))


def photos_text(known: Sequence[Record]) -> Grid:
    """Photographs, the text encoder trained, with what was tuned for frozen ones. $GRIDS: see its configuration."""
    labels = ['InfoNCE', 'weights x HN-NCE', 'HN-NCE']
    runs = product(FLICKR8K_TEXT, labels, {}, SEEDS[:3], tuned=lambda label: photos_chosen(label, known))
    return Grid(runs, metrics=PHOTO_MEASURES, frontier=(RECALL, SENTENCES))


def own(known: Sequence[Record]) -> Grid:
    """What `configs/own/small.py` should do, with what was tuned for other frozen encoders."""
    axes = {'captions': {5: {}, 1: {'train_dataloader.dataset.type': 'FirstCaption'}}}
    labels = ['InfoNCE', 'weights x HN-NCE', 'HN-NCE']
    runs = product(OWN, labels, axes, SEEDS[:3], tuned=lambda label: photos_chosen(label, known))
    return Grid(runs, metrics=PHOTO_MEASURES, frontier=(RECALL, SENTENCES))


def _oracle_knows(run: Run) -> Options:
    """The oracle is told which world it is in."""
    detail = SHARES[run.setting[AXIS]]
    if run.label != 'oracle' or not detail:
        return run.options
    relevance = dict(type='ShapeWorldRelevance', detail=detail)
    return {**run.options, POLICY: dict(type='OracleRemoval', relevance=relevance)}


# By functions of what is known: a grid may take what an earlier one has found (tuning.py).
GRIDS: dict[str, Callable[[Sequence[Record]], Grid]] = {
    grid.__name__: grid
    for grid in (
        smoke,
        tuning,
        rates,
        sources,
        finalists,
        density,
        batch,
        length,
        images,
        thresholds,
        information,
        albef,
        matching,
        downstream_retrieval,
        downstream_vqa,
        downstream_nlvr2,
        photo_rates,
        photo_tuning,
        photos,
        photos_lr,
        photos_text,
        own,
    )
}


def find_grid(name: str, known: Sequence[Record]) -> Grid:
    """Raises UserError if there is none of this name, or an earlier one has to be run before."""
    if name not in GRIDS:
        raise UserError(f"grid '{name}' does not exist{did_you_mean(name, GRIDS) or '; there are ' + ', '.join(GRIDS)}")
    return GRIDS[name](known)
