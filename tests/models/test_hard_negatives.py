"""Hard negatives of matching, and policies that keep false ones from being drawn. Shapes: B pairs, E features."""

import pytest
import torch
import torch.nn.functional as F
from tiny import batch, build

from sacl_mm.models.hard_negatives import HardNegativeSampler
from sacl_mm.models.losses import FeaturePair
from sacl_mm.models.losses.pairs import PairTreatment
from sacl_mm.models.losses.policies import (
    EvidenceRemoval,
    InfoNCE,
    OracleRemoval,
    PerDirection,
    SimilarityRegression,
    SimilarityRegulation,
    SoftTargets,
    ThresholdRemoval,
)

B = 5
IDS = torch.tensor([4, 9, 4, 7, 2])  # two pairs of one image
REMOVAL = EvidenceRemoval(InfoNCE(), 'known', threshold=0.5)


def rows(seed):
    generator = torch.Generator().manual_seed(seed)
    return FeaturePair(*(F.normalize(torch.randn(B, 3, generator=generator), dim=1) for _ in range(2)))


def draw(sampler, seed, evidence=None):
    known = {} if evidence is None else dict(known=evidence)
    return sampler(*rows(0), IDS, torch.arange(B), known, torch.tensor(0.2), 0.5, seed)


def expected_shares(weights_BB, temperature):
    """How often each text is drawn for each image, by a loop."""
    image, text = rows(0)
    shares = torch.zeros(B, B)
    for i in range(B):
        for j in range(B):
            if IDS[i] != IDS[j]:
                shares[i, j] = weights_BB[i, j] * (image[i] @ text[j] / temperature).exp()
    return shares / shares.sum(dim=1, keepdim=True)


@pytest.mark.parametrize('kind', ['none', 'removal', 'weights'])
def test_negatives_are_drawn_in_proportion_to_weight_and_likeness(kind):
    known = rows(1)
    evidence_BB = known.image @ known.text.t()
    policy, weights_BB = {
        'none': (None, torch.ones(B, B)),
        'removal': (REMOVAL, (evidence_BB < 0.5).float()),
        'weights': (
            SimilarityRegulation(alpha=1.0, evidence='known', similarity_temperature=0.5),
            (-evidence_BB / 0.5).exp(),
        ),
    }[kind]
    sampler, draws = HardNegativeSampler(0.7, policy), 4000
    counts_of_texts, counts_of_images = torch.zeros(B, B), torch.zeros(B, B)
    for seed in range(draws):
        found = draw(sampler, seed, known)
        assert found.has_text_B.all()
        assert found.has_image_B.all()
        counts_of_texts[torch.arange(B), found.text_B] += 1
        counts_of_images[found.image_B, torch.arange(B)] += 1
    of_texts = expected_shares(weights_BB, 0.7)
    assert (counts_of_texts / draws - of_texts).abs().max() < 0.035  # four standard deviations
    image, text = rows(0)
    joint = weights_BB * (image @ text.t() / 0.7).exp() * (IDS[:, None] != IDS)
    assert (counts_of_images / draws - joint / joint.sum(dim=0)).abs().max() < 0.035
    assert ((of_texts == 0) == (counts_of_texts == 0)).all()


@pytest.mark.parametrize(
    'policy',
    [
        None,
        EvidenceRemoval(REMOVAL, 'known', 0.9),
        EvidenceRemoval(OracleRemoval(lambda i, t: i[:, None] < -t), 'known', 0.9),
    ],
)
def test_draws_are_in_float32_under_mixed_precision(policy):
    cosine = 1 - 4e-4 * torch.arange(B)  # equal in bfloat16
    image, text = torch.tensor([[1.0, 0.0]]).expand(B, 2), torch.stack([cosine, (1 - cosine**2).sqrt()], dim=1)
    sampler, known = HardNegativeSampler(1e-5, policy), FeaturePair(torch.zeros(B, 1), torch.zeros(B, 1))
    for seed in range(4):
        with torch.autocast('cpu', torch.bfloat16):
            drawn = sampler(image, text, IDS, torch.arange(B), dict(known=known), torch.tensor(0.2), 0.5, seed)
        assert drawn.text_B.tolist() == [1, 0, 1, 0, 0]  # the most similar one of another image


def test_an_anchor_whose_negatives_are_all_false_has_none():
    known = FeaturePair(torch.zeros(B, 1), torch.ones(B, 1))
    known.image[1] = 1.0  # all texts are true of this image
    found = draw(HardNegativeSampler(0.7, REMOVAL), 0, known)
    assert found.has_text_B.tolist() == [1, 0, 1, 1, 1]
    assert found.has_image_B.tolist() == [1] * B
    assert (found.image_B != 1).all()
    model = build(negative_policy=dict(type='OracleRemoval', relevance=all_match))
    loss, _ = model.parse_losses(model.loss(batch(model)))
    loss.backward()
    assert loss.isfinite()


def all_match(image_ids, text_ids):
    return torch.ones(len(image_ids), len(text_ids), dtype=torch.bool).numpy()


def test_evidence_is_given_to_both_policies():
    captions = dict(captions=dict(type='CaptionCoverage', columns=89))
    removal = dict(type='EvidenceRemoval', base_policy=dict(type='InfoNCE'), evidence='captions', threshold=0.9)
    model = build(negative_policy=removal, evidence=captions, queue_size=8, momentum=dict(decay=0.9))
    assert list(model.evidence) == ['captions']
    assert not model.queue.evidence_dims  # queued pairs are not matched
    with pytest.raises(ValueError, match=r"negative_policy needs the evidence \['captions'\]"):
        build(negative_policy=removal)


class Learned(InfoNCE):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))


class Foreign(InfoNCE):
    def forward(self, pairs):
        return PairTreatment(anchor_weights_A=torch.ones(len(pairs.similarity_AM)))


def test_policies_that_do_not_fit_are_named():
    for policy, what in (
        (ThresholdRemoval(InfoNCE()), 'ThresholdRemoval has removal from normalised weights'),
        (PerDirection(InfoNCE(), SoftTargets(InfoNCE(), 'known')), 'PerDirection has soft targets'),
        (SimilarityRegression(InfoNCE(), 'known'), 'SimilarityRegression has a regression'),
        (EvidenceRemoval(SoftTargets(InfoNCE(), 'known'), 'known', 0.5), 'EvidenceRemoval has soft targets'),
        (Learned(), 'Learned has parameters'),
    ):
        with pytest.raises(ValueError, match=f'negative_policy: {what}.*take EvidenceRemoval of InfoNCE'):
            HardNegativeSampler(policy=policy)
    with pytest.raises(ValueError, match='negative_policy: Foreign has weights of anchors'):
        draw(HardNegativeSampler(policy=Foreign()), 0)
    for wrong in ('EvidenceRemoval', {}, False, [dict(type='InfoNCE')], dict(threshold=1)):
        with pytest.raises(ValueError, match='negative_policy must be a dict with a type'):
            build(negative_policy=wrong)
    known = dict(type='EvidenceRemoval', base_policy=dict(type='InfoNCE'), threshold=0.5)
    for evidence, message in (
        ('caption', r"negative_policy needs the evidence \['caption'\]; did you mean 'captions'"),
        ('reference', "negative_policy reads the evidence 'reference': give reference_checkpoint"),
        ('teacher', 'negative_policy reads what the momentum teacher says'),
    ):
        with pytest.raises(ValueError, match=message):
            build(negative_policy=dict(known, evidence=evidence), evidence=dict(captions=dict(type='CaptionCoverage')))
    with pytest.raises(ValueError, match='negative_policy must be a NegativePolicy such as InfoNCE'):
        HardNegativeSampler(policy='InfoNCE')
