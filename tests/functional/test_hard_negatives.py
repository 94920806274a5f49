import torch

from sacl_mm.functional.hard_negatives import has_negative, sample_hard_negatives


def test_positives_are_never_drawn_and_others_in_proportion_to_softmax():
    logits = torch.tensor([[5.0, 0.0, 1.0, 2.0]])
    positive = torch.tensor([[True, False, False, False]])
    count = 20_000
    drawn = sample_hard_negatives(
        logits.expand(count, -1), positive.expand(count, -1), torch.arange(count), torch.arange(4), seed=0
    )
    expected = torch.softmax(logits[0, 1:], 0)
    assert (torch.bincount(drawn, minlength=4)[1:] / count - expected).abs().max() < 0.015
    assert not (drawn == 0).any()


def test_the_draw_does_not_depend_on_the_order_of_the_candidates():
    logits = torch.randn(30, 40, generator=torch.Generator().manual_seed(0))
    positive = torch.eye(30, 40, dtype=torch.bool)
    anchors, candidates = torch.arange(30) + 1000, torch.arange(40) + 7
    drawn = sample_hard_negatives(logits, positive, anchors, candidates, seed=2)
    order = torch.randperm(40)
    moved = sample_hard_negatives(logits[:, order], positive[:, order], anchors, candidates[order], seed=2)
    assert torch.equal(order[moved], drawn)
    assert not torch.equal(sample_hard_negatives(logits, positive, anchors, candidates, seed=3), drawn)


def test_extreme_logits_leave_a_valid_choice():
    logits = torch.tensor([[1000.0, -1000.0, -1000.0]])
    positive = torch.tensor([[True, False, False]])
    assert sample_hard_negatives(logits, positive, torch.tensor([0]), torch.arange(3), seed=0).item() in (1, 2)


def test_an_anchor_without_negatives_is_known():
    positive = torch.tensor([[True, True], [True, False]])
    assert has_negative(positive).tolist() == [False, True]
    drawn = sample_hard_negatives(torch.zeros(2, 2), positive, torch.arange(2), torch.arange(2), seed=0)
    assert drawn.shape == (2,)
