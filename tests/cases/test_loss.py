"""Rows of the table of cases on the loss: used as in a plain PyTorch loop, with what a user may hand it."""

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from samples import pair
from torch import nn

from sacl_mm.models.losses import FeaturePair, InfoNCE, NegativeBank, SACLContrastiveLoss


@pytest.fixture
def warned(monkeypatch):
    messages = []
    for module in ('sacl_loss', 'left_out'):
        monkeypatch.setattr(f'sacl_mm.models.losses.{module}.warn', messages.append)
    return messages


class Towers(nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.text = nn.Linear(6, 4), nn.Linear(5, 4)

    def forward(self, images, texts):
        return self.image(images), self.text(texts)


def train(loss, optimizers, model=None, steps=6, accumulate=1, zero_late=False, **options):
    torch.manual_seed(0)
    model = Towers() if model is None else model
    optimizers = optimizers(model, loss)
    for step in range(steps):
        if not zero_late and step % accumulate == 0:
            for optimizer in optimizers:
                optimizer.zero_grad()
        value = loss(*model(torch.randn(8, 6), torch.randn(8, 5)), **options)
        if zero_late:
            for optimizer in optimizers:
                optimizer.zero_grad()
        value.backward()
        if (step + 1) % accumulate == 0:
            for optimizer in optimizers:
                optimizer.step()


def sgd(*parameters, kind=torch.optim.SGD):
    return kind([p for some in parameters for p in some], lr=0.1)


LEFT_OUT = {
    'model.parameters() alone': (dict(), lambda model, loss: [sgd(model.parameters())]),
    'AdamW': (dict(), lambda model, loss: [sgd(model.parameters(), kind=torch.optim.AdamW)]),
    'gradients zeroed after the forward pass': (dict(zero_late=True), lambda model, loss: [sgd(model.parameters())]),
    'gradients accumulated': (dict(accumulate=2), lambda model, loss: [sgd(model.parameters())]),
    'an optimizer for each tower': (
        dict(),
        lambda model, loss: [sgd(model.image.parameters()), sgd(model.text.parameters())],
    ),
}


@pytest.mark.parametrize(('how', 'optimizers'), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_temperature_that_no_optimizer_holds_is_warned_of_once(how, optimizers, warned):
    loss = SACLContrastiveLoss()
    train(loss, optimizers, **how)
    train(loss, optimizers, **how)
    assert len(warned) == 1
    assert 'stays at 0.07' in warned[0]
    assert '*loss.parameters()' in warned[0]


HELD = {
    'one optimizer': (dict(), lambda model, loss: [sgd(model.parameters(), loss.parameters())]),
    'gradients accumulated': (dict(accumulate=3), lambda model, loss: [sgd(model.parameters(), loss.parameters())]),
    'one of its own': (dict(), lambda model, loss: [sgd(model.parameters()), sgd(loss.parameters())]),
    'one of its own, which comes first': (
        dict(),
        lambda model, loss: [sgd(loss.parameters()), sgd(model.parameters())],
    ),
}


@pytest.mark.parametrize(('how', 'optimizers'), HELD.values(), ids=HELD)
def test_a_temperature_that_is_held_is_learned_without_a_word(how, optimizers, warned):
    loss = SACLContrastiveLoss()
    train(loss, optimizers, **how)
    assert not warned
    assert loss.temperature.item() != pytest.approx(0.07, abs=1e-6)


def test_a_fixed_temperature_and_evaluation_are_no_reason_to_warn(warned):
    train(SACLContrastiveLoss(temperature_bounds=None), lambda model, loss: [sgd(model.parameters())])
    loss = SACLContrastiveLoss().eval()
    train(loss, lambda model, loss: [sgd(model.parameters())])
    assert not warned


def test_a_loss_that_was_used_can_be_copied_and_pickled(warned):
    loss = SACLContrastiveLoss()
    train(loss, lambda model, loss: [sgd(model.parameters())], steps=1)
    again = pickle.loads(pickle.dumps(copy.deepcopy(loss)))
    assert again(*pair(4)).item() == loss(*pair(4)).item()


@pytest.mark.parametrize('shape', [(), (1,)], ids=['scalar', 'one number'])
@pytest.mark.parametrize('block_pairs', [None, 1], ids=['whole', 'a pair at a time'])
def test_a_models_own_logit_scale_takes_the_place_of_the_temperature(shape, block_pairs, warned):
    features = pair(8)
    scale = torch.full(shape, np.log(1 / 0.05), dtype=torch.float64, requires_grad=True)
    loss = SACLContrastiveLoss(InfoNCE(), block_pairs=block_pairs)
    value = loss(*features, logit_scale=scale)
    value.backward()

    plain = scale.detach().clone().requires_grad_()
    logits = F.normalize(features.image) @ F.normalize(features.text).t() * plain.exp()
    target = torch.arange(8)
    expected = (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(scale.grad, plain.grad)
    assert loss.log_temperature.grad is None


def test_a_models_logit_scale_is_what_is_learned(warned):
    model, loss = Towers(), SACLContrastiveLoss()
    model.logit_scale = nn.Parameter(torch.tensor(2.66))
    train(loss, lambda model, loss: [sgd(model.parameters())], model, logit_scale=model.logit_scale)
    assert model.logit_scale.item() != pytest.approx(2.66, abs=1e-6)
    assert loss.temperature.item() == pytest.approx(0.07)
    assert not warned


ALONE = {'batch of 1 without queue': dict(count=1), 'batch of one image, by ids': dict(count=4, image_ids=[7, 7, 7, 7])}


@pytest.mark.parametrize('options', ALONE.values(), ids=ALONE)
def test_a_batch_without_negatives_is_warned_of_once(options, warned):
    options = dict(options)
    features, loss = pair(options.pop('count')), SACLContrastiveLoss()
    for _ in range(3):
        loss(*features, **options)
    assert len(warned) == 1
    assert 'no negatives' in warned[0]


def test_a_batch_of_1_with_a_queue_is_fine(warned):
    bank = NegativeBank(pair(3, seed=1), torch.arange(3))
    assert SACLContrastiveLoss()(*pair(1), [9], bank=bank).item() > 0
    assert not warned


IDS = {
    'ids as a list': [3, 5, 3, 8],
    'ids as a tuple': (3, 5, 3, 8),
    'a NumPy array of ids': np.array([3, 5, 3, 8]),
    'a NumPy array of 32-bit ids': np.array([3, 5, 3, 8], np.int32),
    'a list of NumPy integers': list(np.array([3, 5, 3, 8])),
    '8-bit ids': torch.tensor([3, 5, 3, 8], dtype=torch.uint8),
}


@pytest.mark.parametrize('ids', IDS.values(), ids=IDS)
def test_ids_of_any_kind_of_integers_are_the_same(ids):
    loss, features = SACLContrastiveLoss(), pair(4)
    assert torch.equal(loss(*features, ids), loss(*features, torch.tensor([3, 5, 3, 8])))


def zeros(*shape, **options):
    return torch.zeros(*shape, **options)


def both(*shape, **options):
    return FeaturePair(zeros(*shape, **options), zeros(*shape, **options))


BATCH = dict(image_features=zeros(4, 8), text_features=zeros(4, 8))
IDS_OF_4 = dict(image_ids=[0, 1, 2, 3])
WRONG = {
    'a NumPy array of features': (
        dict(image_features=np.zeros((4, 8))),
        'image_features must be a tensor, got ndarray',
    ),
    'a list of features': (dict(text_features=[[0.0] * 8] * 4), 'text_features must be a tensor, got list'),
    'no features': (dict(text_features=None), 'text_features must be a tensor, got NoneType'),
    'features of integers': (
        dict(image_features=zeros(4, 8, dtype=torch.long)),
        'image_features must be of a floating type',
    ),
    'complex features': (
        dict(image_features=zeros(4, 8, dtype=torch.cfloat)),
        'image_features must be of a floating type',
    ),
    'features of different widths': (dict(text_features=zeros(4, 7)), r'equal shape, got \(4, 8\) and \(4, 7\)'),
    'features of different numbers': (dict(text_features=zeros(3, 8)), r'equal shape, got \(4, 8\) and \(3, 8\)'),
    'features of width 0': (dict(image_features=zeros(4, 0), text_features=zeros(4, 0)), 'without features'),
    'features of one pair without a batch': (dict(image_features=zeros(8), text_features=zeros(8)), r'\(B, D\)'),
    'features on different devices': (dict(text_features=zeros(4, 8, device='meta')), 'text_features is on meta'),
    'an empty batch': (dict(image_features=zeros(0, 8), text_features=zeros(0, 8)), 'without pairs'),
    'float64 and float32': (dict(text_features=zeros(4, 8, dtype=torch.float64)), 'both be float64 or neither'),
    'ids of wrong length': (dict(image_ids=[1, 2, 3]), r'image_ids must be \(4,\) integers, got \(3,\)'),
    'ids as float tensor': (dict(image_ids=zeros(4)), r'image_ids must be \(4,\) integers, got \(4,\) torch.float32'),
    'ids as a list of floats': (dict(image_ids=[0.0, 1.0, 2.0, 3.5]), 'image_ids must be'),
    'ids as text': (dict(image_ids=['a', 'b', 'c', 'd']), 'image_ids must be .* got list'),
    'ids with None': (dict(text_ids=[1, None, 2, 3]), 'text_ids must be .* got list'),
    'ids of lists of different lengths': (dict(text_ids=[[1], [2, 3], [4], [5]]), 'text_ids must be'),
    'one id': (dict(image_ids=7), r'image_ids must be \(4,\) integers, got \(\)'),
    'boolean ids': (dict(image_ids=[True, False, True, False]), 'image_ids must be .* torch.bool'),
    'ids in two dimensions': (dict(image_ids=zeros(4, 1, dtype=torch.long)), r'got \(4, 1\)'),
    'negative ids': (dict(image_ids=[0, 1, -1, 3]), 'image_ids must not be negative, got -1'),
    'ids beyond 64 bits': (dict(image_ids=[0, 1, 2, 2**70]), 'image_ids must be'),
    'progress beyond 1': (dict(progress=1.01), r'progress must be a number in \[0, 1\], got 1.01'),
    'progress below 0': (dict(progress=-0.1), r'progress must be a number in \[0, 1\]'),
    'progress is NaN': (dict(progress=float('nan')), r'progress must be a number in \[0, 1\], got nan'),
    'progress as text': (dict(progress='half'), r'progress must be a number in \[0, 1\]'),
    'an exponential as logit_scale': (
        dict(logit_scale=torch.tensor(14.3)),
        'the parameter itself and not its exponential',
    ),
    'a logit_scale of 100': (dict(logit_scale=torch.tensor(100.0)), 'tau of e\\^-100'),
    'a logit_scale that is NaN': (dict(logit_scale=torch.tensor(float('nan'))), 'logit_scale is log'),
    'a float as logit_scale': (dict(logit_scale=2.66), "logit_scale must be the model's parameter"),
    'two logit scales': (dict(logit_scale=torch.ones(2)), "logit_scale must be the model's parameter"),
    'candidates as one tensor': (
        dict(candidates=zeros(4, 8)),
        r'candidates must be a FeaturePair\(image, text\), got Tensor',
    ),
    'candidates as NumPy arrays': (
        dict(candidates=(np.zeros((4, 8)),) * 2),
        'candidates features must be a tensor, got ndarray',
    ),
    'candidates of another width': (dict(candidates=both(4, 7)), r'candidates features must be \(4, 8\)'),
    'candidates of another batch': (dict(candidates=both(5, 8)), 'candidates features are of 5 images'),
    'candidates on another device': (dict(candidates=both(4, 8, device='meta')), 'candidates features is on meta'),
    'candidates of one side only': (dict(candidates=(zeros(4, 8),)), 'candidates must be a FeaturePair'),
    'a bank as a pair': (dict(IDS_OF_4, bank=both(3, 8)), 'bank must be a NegativeBank, got FeaturePair'),
    'a bank of another width': (
        dict(IDS_OF_4, bank=NegativeBank(both(3, 7), torch.arange(3))),
        r'bank features must be \(3, 8\), got \(3, 7\)',
    ),
    'a bank with fewer ids than features': (
        dict(IDS_OF_4, bank=NegativeBank(both(3, 8), torch.arange(2))),
        'bank features are of 3 images and 3 texts, not of 2 pairs',
    ),
    'a bank with float ids': (
        dict(IDS_OF_4, bank=NegativeBank(both(3, 8), zeros(3))),
        r'bank.image_ids must be \(3,\) int',
    ),
    'a bank with text ids of wrong length': (
        dict(IDS_OF_4, bank=NegativeBank(both(3, 8), torch.arange(3), torch.arange(2))),
        r'bank.text_ids must be \(3,\) integers',
    ),
    'a bank on another device': (
        dict(IDS_OF_4, bank=NegativeBank(both(3, 8, device='meta'), torch.arange(3))),
        'bank features is on meta',
    ),
    'a bank without image_ids': (dict(bank=NegativeBank(both(3, 8), torch.arange(3))), 'a bank needs image_ids'),
}


@pytest.mark.parametrize(('change', 'message'), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_one_clear_line(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        SACLContrastiveLoss()(**BATCH | change)
    assert '\n' not in str(caught.value)
