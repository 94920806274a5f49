"""What the tests of the loss are done on."""

import torch
from plain_loops import direction_loss

from sacl_mm.models.losses import FeaturePair, NegativePolicy
from sacl_mm.registry import MODELS

POLICIES = {
    'info_nce': dict(type='InfoNCE'),
    'mean_norm': dict(type='SimilarityRegulation', norm='mean', similarity_temperature=0.15),
    'mean_norm_as_printed': dict(type='SimilarityRegulation', norm='mean', similarity_temperature=1.0),
    'mean_norm_reference': dict(type='SimilarityRegulation', similarity_temperature=0.3, alpha=1.0),
    'mean_norm_progressive': dict(type='SimilarityRegulation', similarity_temperature=0.3, alpha=(1.0, 0.0)),
    'softmax_norm': dict(type='SimilarityRegulation', norm='softmax', similarity_temperature=1.0, delta=8.0),
    'softmax_norm_progressive': dict(
        type='SimilarityRegulation', norm='softmax', similarity_temperature=0.5, delta=2.0, alpha=(0.9, 0.1)
    ),
    'removal': dict(type='ThresholdRemoval', threshold=0.5, base_policy=dict(type='SimilarityRegulation')),
    'removal_keeping_weights': dict(
        type='ThresholdRemoval', threshold=0.5, keep_weights=True, base_policy=dict(type='SimilarityRegulation')
    ),
    'hard_negatives': dict(type='HardNegativeNCE', beta=0.25),
    'regression': dict(
        type='SimilarityRegression',
        evidence='captions',
        weight=2.0,
        base_policy=dict(type='HardNegativeNCE', beta=0.25),
    ),
    'distillation': dict(type='MomentumDistillation', weight=0.4, ramp=0.5, base_policy=dict(type='InfoNCE')),
    'distillation_and_regulation': dict(
        type='MomentumDistillation',
        weight=0.4,
        ramp=0.1,
        base_policy=dict(type='SimilarityRegulation', alpha=(1.0, 0.0)),
    ),
}


def policy(name: str) -> NegativePolicy:
    return MODELS.build(POLICIES[name])


def pair(count, dim=16, seed=0, correlation=0.5):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    text = correlation * image + torch.randn(count, dim, generator=generator, dtype=torch.float64)
    return FeaturePair(image, text)


def unit(features):
    return FeaturePair(*(x / x.norm(dim=1, keepdim=True) for x in features))


def leaf(features):
    return FeaturePair(*(x.clone().requires_grad_() for x in features))


def plain_loss(features, batch, tau, policy, progress, match=None, line=(1.0, 0.0)):
    losses = []
    for a, b in ((0, 1), (1, 0)):
        bank, evidence = batch['bank'], batch['evidence']
        ids = batch['image_ids'].tolist()
        candidate_ids = ids + ([] if bank is None else bank.image_ids.tolist())
        own = features if batch['candidates'] is None else batch['candidates']
        losses.append(
            direction_loss(
                features[a],
                own[b] if bank is None else torch.cat([own[b], bank.features[b]]),
                ids,
                candidate_ids,
                tau,
                policy,
                progress,
                {
                    name: (x[a], x[b] if bank is None else torch.cat([x[b], bank.evidence[name][b]]))
                    for name, x in evidence.items()
                },
                match and match[a],
                line,
            )
        )
    return sum(losses) / 2
