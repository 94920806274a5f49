"""The interface of a false-negative policy."""

from torch import nn

from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment


class NegativePolicy(nn.Module):
    """Decides from similarities and ids how strongly each negative is pushed away, and what is aimed at instead."""

    needs_reference = False
    """Whether it reads `reference_similarity_AM`."""
    needs_teacher = False
    """Whether it reads `teacher_similarity_AM` (momentum features)."""

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        raise NotImplementedError
