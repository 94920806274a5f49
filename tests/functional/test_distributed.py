"""Two gloo processes against one with the whole batch, in value and gradient."""

import pytest
import torch
import torch.distributed as dist
from gloo import run_on_processes

from sacl_mm.functional.distributed import average, gather, gather_with_gradient, largest, mean_over_processes
from sacl_mm.models.losses import FeaturePair, NegativeBank, SACLContrastiveLoss
from sacl_mm.registry import MODELS

POLICIES = [
    dict(type='InfoNCE'),
    dict(type='SimilarityRegulation', alpha=0.5),
    dict(type='SimilarityRegulation', norm='softmax', similarity_temperature=1.0, delta=4.0),
    dict(type='ThresholdRemoval', threshold=0.6, base_policy=dict(type='SimilarityRegulation')),
    dict(type='HardNegativeNCE', beta=0.5),
    dict(type='MomentumDistillation', base_policy=dict(type='SimilarityRegulation')),
    dict(type='SimilarityRegression', evidence='captions', base_policy=dict(type='InfoNCE')),
    dict(type='SoftTargets', evidence='captions', temperature=None, least=0.3, base_policy=dict(type='InfoNCE')),
    dict(
        type='EvidenceRemoval',
        evidence=['captions', 'reference'],
        threshold=0.3,
        base_policy=dict(type='SimilarityRegulation', alpha=0.5, evidence='captions'),
    ),
    dict(
        type='PerDirection',
        image_policy=dict(type='SimilarityRegression', evidence='captions', base_policy=dict(type='InfoNCE')),
        text_policy=dict(
            type='WeightProduct',
            policies=[dict(type='HardNegativeNCE'), dict(type='SimilarityRegulation', alpha=1, evidence='captions')],
        ),
    ),
]


def features(count=8, dim=12):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(count, dim, generator=generator, dtype=torch.float64) for _ in range(10)]


def contrast(policy, rows, momentum_candidates, block_pairs=2**20, group=None):
    """Loss and gradients for the pairs in `rows`; the bank is the same everywhere, as queues are."""
    image, text, *others = features()
    leaves = [image[rows].clone().requires_grad_(), text[rows].clone().requires_grad_()]
    names = ('reference', 'teacher', 'captions')
    of_bank = FeaturePair(others[4], others[5])
    evidence = {name: FeaturePair(others[2 * i][rows], others[2 * i + 1][rows]) for i, name in enumerate(names)}
    bank = NegativeBank(of_bank, torch.arange(4, 12), None, dict.fromkeys(names, FeaturePair(others[6], others[7])))
    ids = torch.tensor([0, 1, 2, 0, 4, 5, 1, 20])[rows]
    module = SACLContrastiveLoss(MODELS.build(policy), temperature=0.2, block_pairs=block_pairs).double()
    loss = module(
        *leaves,
        image_ids=ids,
        evidence=evidence,
        candidates=evidence['teacher'] if momentum_candidates else None,
        bank=bank,
        progress=0.5,
        group=group,
    )
    loss.backward()
    of_policy = torch.stack([torch.zeros(()), *(x.grad for x in module.policy.parameters())])
    return loss.detach(), *(leaf.grad for leaf in leaves), module.log_temperature.grad, of_policy


def contrast_on_rank(rank, momentum_candidates, block_pairs):
    rows = torch.arange(8)[rank::2]  # as a distributed sampler deals
    return [contrast(policy, rows, momentum_candidates, block_pairs) for policy in POLICIES]


# Blocks of 12 pairs are some of the 4 anchors by some of the 8 candidates of both processes, or of the bank.
@pytest.mark.parametrize(('momentum_candidates', 'block_pairs'), [(False, 2**20), (True, 2**20), (False, 12)])
def test_the_loss_of_two_processes_is_that_of_the_big_batch(momentum_candidates, block_pairs):
    parts = run_on_processes(2, contrast_on_rank, momentum_candidates, block_pairs)
    for number, policy in enumerate(POLICIES):
        loss, image, text, *parameters = contrast(policy, torch.arange(8), momentum_candidates)
        (loss_0, image_0, text_0, *parameters_0), (loss_1, image_1, text_1, *parameters_1) = (p[number] for p in parts)
        torch.testing.assert_close((loss_0 + loss_1) / 2, loss, rtol=1e-9, atol=0)
        # DistributedDataParallel averages what the processes' losses send back to a parameter.
        for whole, even, odd in zip(parameters, parameters_0, parameters_1, strict=True):
            torch.testing.assert_close((even + odd) / 2, whole, rtol=1e-9, atol=1e-15)
        for whole, even, odd in ((image, image_0, image_1), (text, text_0, text_1)):
            torch.testing.assert_close(even / 2, whole[0::2], rtol=1e-9, atol=1e-12)
            torch.testing.assert_close(odd / 2, whole[1::2], rtol=1e-9, atol=1e-12)


def contrast_alone(rank):
    """In groups of one process each; and what a process gets that names the other's."""
    groups = [dist.new_group([0]), dist.new_group([1])]
    rows = torch.arange(8)[rank::2]
    with pytest.raises(ValueError, match='not in `group`'):
        contrast(POLICIES[0], rows, False, group=groups[1 - rank])
    return [contrast(policy, rows, False, group=groups[rank]) for policy in POLICIES]


def test_processes_of_different_groups_do_not_meet():
    for rank, found in enumerate(run_on_processes(2, contrast_alone)):
        expected = [contrast(policy, torch.arange(8)[rank::2], False) for policy in POLICIES]
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)


def helpers_on_rank(rank):
    local = torch.full((2, 3), float(rank + 1), requires_grad=True)
    (gather_with_gradient(local) * torch.arange(1.0, 5.0)[:, None] * (rank + 1)).sum().backward()
    share = mean_over_processes(torch.tensor(3.0 * (rank + 1)), torch.tensor(rank + 1))
    return (
        gather(torch.tensor([rank])),
        local.grad,
        largest(rank + 5, torch.device('cpu')),
        share,
        average(torch.tensor([float(rank)])),
    )


def test_gather_average_and_largest():
    first, second = run_on_processes(2, helpers_on_rank)
    assert first[0].tolist() == second[0].tolist() == [0, 1]
    # d/dlocal of sum over processes p of p * row number * value
    assert first[1].tolist() == [[3.0] * 3, [6.0] * 3]
    assert second[1].tolist() == [[9.0] * 3, [12.0] * 3]
    assert first[2] == second[2] == 6
    # totals 3 and 6, counts 1 and 2: the mean of all items is 3, and the average of the shares must be that
    assert (first[3] + second[3]) / 2 == 3.0
    assert first[4].item() == second[4].item() == 0.5


def test_one_process_needs_no_group():
    x = torch.ones(2, 2, requires_grad=True)
    assert gather_with_gradient(x) is x
    assert gather(x) is x
    assert mean_over_processes(torch.tensor(6.0), torch.tensor(3)) == 2.0
    assert mean_over_processes(torch.tensor(0.0), torch.tensor(0)) == 0.0
