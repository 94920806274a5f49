"""What anchors are compared with.

Shapes: R anchors, G pairs of all processes' batches, K queued ones, M = G + K candidates, D features.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sacl_mm.functional.distributed import gather
from sacl_mm.models.losses.pairs import FeaturePair


class Candidates:
    """One side of all pairs: the batches', unit rows, and behind them a bank's, of any length.

    A bank may be large. Its rows are neither normalised nor put beside the others: its similarities are, which are fewer
    numbers for a few anchors.
    """

    def __init__(self, batch_GD: Tensor, bank_KD: Tensor | None = None) -> None:
        self.batch_GD = batch_GD
        self.bank_KD = None if bank_KD is None else bank_KD.detach().to(batch_GD.dtype)
        if bank_KD is not None:
            self.bank_norm_K = torch.linalg.vector_norm(self.bank_KD, dim=1).clamp_(min=1e-12)  # as in F.normalize

    def __len__(self) -> int:
        return len(self.batch_GD) + (0 if self.bank_KD is None else len(self.bank_KD))

    @torch.no_grad()
    def similarity(self, anchors_RD: Tensor, columns: slice = slice(None)) -> Tensor:
        """Cosines (R, M) with anchors, which are unit rows; without a bank, of the candidates in `columns` alone."""
        batch_RG = anchors_RD @ self.batch_GD[columns].t()
        if self.bank_KD is None:
            return batch_RG
        bank_KR = self.bank_KD @ anchors_RD.t()  # for a few anchors CPUs are slower in the other order
        return torch.cat([batch_RG, bank_KR.t() / self.bank_norm_K], dim=1)

    @torch.no_grad()
    def add_weighted(self, sum_RD: Tensor, weights_RM: Tensor) -> None:
        """Add to each row of `sum_RD` the candidates, each as often as `weights_RM` says."""
        sum_RD.addmm_(self.of_batch(weights_RM), self.batch_GD)
        if self.bank_KD is not None:
            sum_RD.addmm_(weights_RM[:, len(self.batch_GD) :] / self.bank_norm_K, self.bank_KD)

    def of_batch(self, x_RM: Tensor) -> Tensor:
        """The columns (R, G) of the batches' candidates."""
        return x_RM[:, : len(self.batch_GD)]


class CandidatePair(NamedTuple):
    """Images and texts, candidate m of one belonging to candidate m of the other."""

    image: Candidates
    text: Candidates


def normalised(pair: FeaturePair) -> FeaturePair:
    """Unit rows, in float32 at least: 8 bits of mantissa do not tell similarities apart."""
    return FeaturePair(*(F.normalize(x if x.dtype == torch.float64 else x.float(), dim=-1) for x in pair))


def gathered(pair: FeaturePair) -> FeaturePair:
    """The unit rows of all processes, without gradient."""
    return FeaturePair(*(gather(x) for x in normalised(FeaturePair(*(x.detach() for x in pair)))))


def with_bank(pair: FeaturePair, bank: FeaturePair | None) -> CandidatePair:
    return CandidatePair(*map(Candidates, pair, bank or (None, None)))
