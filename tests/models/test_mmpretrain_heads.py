"""Our loss inside mmpretrain's models: the heads that it comes in, and the neck that speaks mmpretrain's tuples."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from gloo import run_on_processes
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from torch.nn.parallel import DistributedDataParallel

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.models.heads import ImageTextContrastiveHead, TwoViewContrastiveHead
from sacl_mm.models.losses import SACLContrastiveLoss
from sacl_mm.models.necks import FirstTokenNeck
from sacl_mm.registry import MODELS

D = 6
DISTILLED = dict(
    type='SACLContrastiveLoss',
    temperature=0.1,
    policy=dict(type='MomentumDistillation', base_policy=dict(type='InfoNCE'), weight=0.4, ramp=0),
)


def raw_features(count, seed):
    """Image, text and their momentum features, before they are normalised; the first two take a gradient."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(count, D, generator=generator).requires_grad_(place < 2) for place in range(4)]


def batch(ids, seed=0):
    features = [F.normalize(raw, dim=1) for raw in raw_features(len(ids), seed)]
    return features, [SimpleNamespace(image_id=number) for number in ids]


@pytest.fixture
def mmpretrain_scope():
    load_mmpretrain()
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def test_value_and_gradients_are_those_of_itc_head_once_its_queue_is_full(mmpretrain_scope):
    torch.manual_seed(0)
    theirs = MODELS.build(dict(type='ITCHead', embed_dim=D, queue_size=8, temperature=0.1, alpha=0.4))
    ours = MODELS.build(
        dict(type='sacl_mm.ImageTextContrastiveHead', embed_dim=D, queue_size=8, contrastive_loss=DISTILLED)
    )
    ids = [[0, 1, 1, 2], [3, 0, 4, 5], [1, 6, 3, 7]]  # images that return while they are in the queue
    for step, numbers in enumerate(ids):
        values, gradients = [], []
        for head in (theirs, ours):
            raw = raw_features(len(numbers), seed=step)
            samples = [SimpleNamespace(image_id=number) for number in numbers]
            values.append(head.loss(([F.normalize(feature, dim=1) for feature in raw],), samples)['itc_loss'])
            gradients.append(torch.autograd.grad(values[-1], raw[:2]))
        if step < 2:
            assert abs(values[0] - values[1]) > 0.01  # ITCHead starts with random features in its queue
    torch.testing.assert_close(values[1], values[0])
    torch.testing.assert_close(gradients[1], gradients[0])
    torch.testing.assert_close(ours.queue.image, theirs.image_queue.t())


def test_candidates_are_momentum_features_of_batch_and_queue_in_plain_loops():
    plain = dict(type='SACLContrastiveLoss', temperature=0.1, policy=dict(type='InfoNCE'))
    head = ImageTextContrastiveHead(embed_dim=D, queue_size=5, contrastive_loss=plain)
    past, past_samples = batch([0, 1, 2])
    head.loss((past,), past_samples)
    features, samples = batch([1, 3, 1], seed=1)
    loss = head.loss((features,), samples)['itc_loss']
    candidate_ids = [1, 3, 1, 0, 1, 2]  # two slots of the queue are empty
    expected = []
    for anchors, candidates in (
        (features[0], torch.cat([features[3], past[3]])),
        (features[1], torch.cat([features[2], past[2]])),
    ):
        for anchor, sample in zip(anchors, samples, strict=True):
            log_probability = (candidates @ anchor / 0.1).log_softmax(dim=0)
            positive = [i for i, number in enumerate(candidate_ids) if number == sample.image_id]
            expected.append(-sum(log_probability[i] for i in positive) / len(positive))
    torch.testing.assert_close(loss, torch.stack(expected).mean())
    # The next batch overwrites the oldest: five slots after 3 + 3 pairs.
    assert head.queue.image_ids.tolist() == [1, 1, 2, 1, 3]


class SharedTemperature(torch.nn.Module):
    """What of BlipRetrieval the head has to do with: features that have a gradient, and a temperature for both."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.neck = torch.nn.Linear(D, D)
        self.head = ImageTextContrastiveHead(D, 8, DISTILLED)
        self.temp = torch.nn.Parameter(torch.tensor(0.07))
        self.head.temp = self.temp

    def forward(self, features, samples):
        return self.head.loss(([*map(self.neck, features[:2]), *features[2:]],), samples)['itc_loss']


def two_steps(rank, world):
    model = SharedTemperature()
    # The head's queue is filled from all processes alike: its buffers need no broadcast, and may change in forward.
    wrapped = model if world == 1 else DistributedDataParallel(model, broadcast_buffers=False)
    for step, ids in enumerate([[0, 1, 1, 2], [3, 0, 4, 5]]):
        mine = slice(rank * 4 // world, (rank + 1) * 4 // world)
        features, samples = batch(ids, seed=step)
        wrapped.zero_grad()
        wrapped([feature[mine].detach() for feature in features], samples[mine]).backward()
    return model.neck.weight.grad, model.head.contrastive_loss.log_temperature.grad, model.head.queue.image_ids


def test_two_processes_have_the_gradients_and_the_queue_of_one():
    expected = two_steps(0, 1)
    for result in run_on_processes(2, two_steps, 2):
        torch.testing.assert_close(result, expected)


def test_a_temperature_that_is_shared_with_the_head_follows_the_losses_own():
    head = ImageTextContrastiveHead(embed_dim=D, queue_size=4, contrastive_loss=DISTILLED)
    head.temp = torch.nn.Parameter(torch.tensor(0.07))  # as BlipRetrieval does
    features, samples = batch([0, 1, 2])
    result = head.loss((features,), samples)
    assert head.temp.item() == pytest.approx(0.1) == result['temperature'].item()
    result['itc_loss'].backward()
    assert head.temp.grad == 0  # there, for DistributedDataParallel, and nil
    assert head.contrastive_loss.log_temperature.grad != 0


def test_schedules_follow_the_runners_count(monkeypatch):
    policy = dict(type='MomentumDistillation', base_policy=dict(type='InfoNCE'), weight=0.4, ramp=1.0)
    losses = []
    for iteration in (0, 10):
        info = dict(iter=iteration, max_iters=11)
        monkeypatch.setattr(MessageHub, 'get_current_instance', lambda info=info: SimpleNamespace(get_info=info.get))
        head = ImageTextContrastiveHead(D, 4, dict(DISTILLED, policy=policy))
        features, samples = batch([0, 1, 2])
        losses.append(head.loss((features,), samples)['itc_loss'])
    features, samples = batch([0, 1, 2])
    hard = ImageTextContrastiveHead(D, 4, dict(DISTILLED, policy=dict(type='InfoNCE')))
    full = ImageTextContrastiveHead(D, 4, DISTILLED)
    torch.testing.assert_close(losses[0], hard.loss((features,), samples)['itc_loss'])
    torch.testing.assert_close(losses[1], full.loss((features,), samples)['itc_loss'])


def test_two_views_are_pairs_and_the_predictor_is_for_the_first():
    first, second = batch([0, 1, 2, 3])[0][:2]
    torch.testing.assert_close(TwoViewContrastiveHead().loss(first, second), SACLContrastiveLoss()(first, second))

    @MODELS.register_module(name='TestDoubledFirstChannel')
    class Predictor(torch.nn.Module):
        def forward(self, features):
            return (features[0] * torch.tensor([2.0] + [1.0] * (D - 1)),)

    try:
        head = TwoViewContrastiveHead(predictor=dict(type='TestDoubledFirstChannel'))
    finally:
        MODELS.module_dict.pop('TestDoubledFirstChannel')
    predicted = first * torch.tensor([2.0] + [1.0] * (D - 1))
    torch.testing.assert_close(head.loss(first, second), SACLContrastiveLoss()(predicted, second))


@pytest.mark.parametrize('model', ['MoCoV3', 'BarlowTwins'])
def test_mmpretrains_two_view_models_train_with_our_neck_and_loss(model, mmpretrain_scope, monkeypatch):
    info = dict(iter=0, max_iters=10)  # MoCoV3's momentum asks for them
    monkeypatch.setattr(MessageHub, 'get_current_instance', lambda: SimpleNamespace(get_info=info.get))
    built = MODELS.build(
        dict(
            type=model,
            backbone=dict(type='ResNet', depth=18, stem_channels=4, base_channels=4),
            neck=[
                dict(type='sacl_mm.ImageTokenNeck', in_channels=32, out_channels=8),
                dict(type='sacl_mm.FirstTokenNeck'),
            ],
            head=dict(type='sacl_mm.TwoViewContrastiveHead'),
        )
    )
    views = [torch.randn(4, 3, 32, 32) for _ in range(2)]
    built.loss(views, [])['loss'].backward()
    without = [name for name, p in built.named_parameters() if p.requires_grad and p.grad is None]
    assert not [name for name in without if not name.startswith('momentum_encoder')]


def test_policies_that_need_what_mmpretrain_does_not_give_are_refused():
    referring = dict(type='SACLContrastiveLoss', policy=dict(type='SimilarityRegulation', alpha=(1.0, 0.0)))
    with pytest.raises(ValueError, match='reference'):
        ImageTextContrastiveHead(D, 4, referring)
    for loss in (referring, DISTILLED):
        with pytest.raises(ValueError, match='needs the evidence'):
            TwoViewContrastiveHead(loss)


def test_the_first_token_in_a_tuple():
    tokens = torch.randn(2, 5, D)
    (first,) = FirstTokenNeck()((tokens,))
    assert torch.equal(first, tokens[:, 0])
