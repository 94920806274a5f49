"""The interface of a false-negative policy."""

import torch
from torch import Tensor, nn

from sacl_mm.functional.contrastive import normalise_log_weights_
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.registry import MODELS


class NegativePolicy(nn.Module):
    """Decides from similarities and ids how strongly each negative is pushed away, and what is aimed at instead.

    A subclass says what it needs by a class attribute (`needs_teacher = True`) or a property of its own.
    """

    @property
    def needs_reference(self) -> bool:
        """Whether it reads `reference_similarity_AM`."""
        return False

    @property
    def needs_teacher(self) -> bool:
        """Whether it reads `teacher_similarity_AM` (momentum features)."""
        return False

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        """What is to be done with some anchors' pairs, (A, M).

        Called without gradient, in each direction, with some of the anchors and all candidates, and in training more than
        once: the same pairs must get the same treatment. The tensors of `pairs` must not be written to.
        """
        raise NotImplementedError


def build_policy(name: str, policy: dict | NegativePolicy) -> NegativePolicy:
    """The policy itself, or what its configuration builds; ValueError, which names the argument, for anything else."""
    built = MODELS.build(dict(policy, _scope_='sacl_mm')) if isinstance(policy, dict) else policy
    if not isinstance(built, NegativePolicy):
        given = type(policy).__name__ if isinstance(policy, nn.Module) else repr(policy)
        raise ValueError(
            f"{name} must be a configuration such as dict(type='InfoNCE'), or a NegativePolicy, got {given}"
        )
    return built


class SymmetricPolicy(NegativePolicy):
    """Weighs a pair of image and text by the pair alone, whichever of the two is the anchor. Condition 2, that an anchor's
    negatives weigh 1 on average, is all that looks at an anchor's other pairs.

    Large batches on CPUs cost less under it: both directions are taken from one matrix (`both_ways.py`).
    """

    def raw_log_weights(self, pairs: ContrastivePairs) -> Tensor | None:
        """log w before condition 2, (A, M), in a tensor of its own; whatever it likes where a pair is no negative. None: all
        negatives weigh 1. It may be asked for any images and texts together."""
        raise NotImplementedError

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        raw_AM = self.raw_log_weights(pairs)
        if raw_AM is None:
            return PairTreatment(torch.zeros_like(pairs.similarity_AM))
        return PairTreatment(normalise_log_weights_(raw_AM, pairs.negative_AM))
