"""What the tests of the loss are done on."""

import re

import torch
from plain_loops import direction_loss, of_direction

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
    'caption_weights': dict(type='SimilarityRegulation', alpha=1.0, evidence='captions'),
    'agreed_weights': dict(type='SimilarityRegulation', alpha=(0.2, 0.8), evidence=('reference', 'captions')),
    'agreed_regression': dict(
        type='SimilarityRegression', evidence=('captions', 'teacher'), weight=2.0, base_policy=dict(type='InfoNCE')
    ),
    'soft_targets': dict(type='SoftTargets', evidence='captions', weight=0.3, base_policy=dict(type='InfoNCE')),
    'soft_targets_alone': dict(
        type='SoftTargets', evidence='reference', weight=1.0, temperature=0.1, base_policy=dict(type='InfoNCE')
    ),
    'soft_targets_linear': dict(
        type='SoftTargets', evidence='reference', weight=(0.8, 0.2), temperature=None, base_policy=dict(type='InfoNCE')
    ),
    'soft_targets_above': dict(
        type='SoftTargets',
        evidence=('captions', 'reference'),
        weight=(0.0, 0.5),
        least=0.2,
        base_policy=dict(type='HardNegativeNCE', beta=0.25),
    ),
    'soft_targets_linear_above': dict(
        type='SoftTargets',
        evidence='captions',
        weight=0.5,
        temperature=None,
        least=0.4,
        base_policy=dict(
            type='SimilarityRegression', evidence='reference', weight=2.0, base_policy=dict(type='SimilarityRegulation')
        ),
    ),
    'evidence_removal': dict(
        type='EvidenceRemoval', evidence='captions', threshold=0.3, base_policy=dict(type='InfoNCE')
    ),
    'evidence_removal_of_weights': dict(
        type='EvidenceRemoval',
        evidence=('captions', 'reference'),
        threshold=-0.1,
        base_policy=dict(type='SimilarityRegulation', similarity_temperature=0.15),
    ),
    'both_removals': dict(
        type='EvidenceRemoval',
        evidence='reference',
        threshold=0.2,
        base_policy=dict(
            type='ThresholdRemoval',
            threshold=0.5,
            keep_weights=True,
            base_policy=dict(type='SimilarityRegulation', alpha=1.0, evidence='captions'),
        ),
    ),
    'all_removed': dict(
        type='EvidenceRemoval', evidence='captions', threshold=-100, base_policy=dict(type='SimilarityRegulation')
    ),
    'product': dict(
        type='WeightProduct',
        policies=[
            dict(type='HardNegativeNCE', beta=0.25),
            dict(type='SimilarityRegulation', alpha=1.0, evidence='captions'),
            dict(type='EvidenceRemoval', evidence='reference', threshold=0.5, base_policy=dict(type='InfoNCE')),
        ],
    ),
    'removal_of_product': dict(
        type='ThresholdRemoval',
        threshold=0.5,
        base_policy=dict(
            type='WeightProduct', policies=[dict(type='InfoNCE'), dict(type='SimilarityRegulation', alpha=0.0)]
        ),
    ),
    'targets_per_direction': dict(
        type='PerDirection',
        image_policy=dict(
            type='SoftTargets',
            evidence='captions',
            weight=0.3,
            base_policy=dict(
                type='SimilarityRegression', evidence='reference', weight=2.0, base_policy=dict(type='InfoNCE')
            ),
        ),
        text_policy=dict(type='SoftTargets', evidence='teacher', weight=0.8, base_policy=dict(type='InfoNCE')),
    ),
    'removal_per_direction': dict(
        type='SoftTargets',
        evidence='reference',
        weight=0.5,
        base_policy=dict(
            type='PerDirection',
            image_policy=dict(type='HardNegativeNCE', beta=0.25),
            text_policy=dict(
                type='ThresholdRemoval', threshold=0.5, base_policy=dict(type='SimilarityRegulation', alpha=1.0)
            ),
        ),
    ),
}


def has_schedule(name: str) -> bool:
    return re.search(r"'(ramp'|(alpha|weight)': \()", str(POLICIES[name])) is not None


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
                of_direction(policy, anchors_are_images=a == 0),
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
