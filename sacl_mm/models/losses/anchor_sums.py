"""One direction of the loss: an anchor's running sums over its candidates, and what follows from them.

Shapes: A anchors and M candidates of a block. z are logits, g raw log-weights, LSE is log-sum-exp; P(a) and N(a) are an
anchor's positives and negatives.

    loss_a = LSE over P and N of (z + log w) - sum_m target_am z_am,  log w = 0 on P and g - norm_a on N

(Eq. 4-5 of Jiang et al., ACL 2023). Positives and negatives are summed apart, so that a loss near 0 is no difference of large
numbers: with odds_a = LSE_N - LSE_P, the first term is LSE_P + log(1 + e^odds_a).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment

# Below any log-weight, but not so far that its difference from one is no number.
_LOWEST = -1e30


class LogMean(NamedTuple):
    """log of the mean of e^g over negatives, kept as sums relative to the largest g so far, as in FlashAttention."""

    largest_A: Tensor
    total_A: Tensor
    count_A: Tensor

    def add(self, values_AM: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the values relative to the largest of an anchor's, and what is to be added to earlier ones (A,)."""
        largest_A = torch.maximum(self.largest_A, values_AM.amax(dim=1))
        shift_A = self.largest_A - largest_A
        self.largest_A.copy_(largest_A)
        relative_AM = values_AM - largest_A[:, None]
        self.total_A.mul_(shift_A.exp()).add_(relative_AM.exp().sum(dim=1))
        return relative_AM, shift_A

    def norm(self) -> tuple[Tensor, Tensor]:
        """Subtract both (A, 1) to make the mean 1. Where there is a value its total is at least 1."""
        return self.largest_A[:, None], (self.total_A.clamp(min=1) / self.count_A.clamp(min=1)).log()[:, None]

    def set_to_one(self) -> None:
        self.largest_A.zero_()
        self.total_A.copy_(self.count_A)


class AnchorSums(NamedTuple):
    """All are (A,) and changed in place, so that a slice of them (`rows`) belongs to the whole."""

    num_positives: Tensor
    num_candidates: Tensor
    log_positive: Tensor
    """LSE_P z."""
    positive_logits: Tensor
    """Sum of z over P."""
    log_negative: Tensor
    """LSE_N (z + g - largest g)."""
    weights: LogMean
    """Of g; of 1 if the policy does not ask for normalisation."""
    row_scores: LogMean
    """Of what the policy wants to know first."""
    log_scores: Tensor
    """LSE of soft targets' scores."""
    soft_logits: Tensor
    """Mean z under softmax(scores)."""
    soft_share: Tensor
    anchor_weights: Tensor
    squares: Tensor
    """regression_weight * sum of (similarity - target)^2."""

    @classmethod
    def start(cls, num_positives_A: Tensor, num_negatives_A: Tensor) -> 'AnchorSums':
        def filled(value: float) -> Tensor:
            return torch.full_like(num_positives_A, value)

        empty, nothing = -torch.inf, 0.0
        weights, row_scores = (LogMean(filled(_LOWEST), filled(nothing), num_negatives_A) for _ in range(2))
        return cls(
            num_positives_A,
            num_positives_A + num_negatives_A,
            log_positive=filled(empty),
            positive_logits=filled(nothing),
            log_negative=filled(empty),
            weights=weights,
            row_scores=row_scores,
            log_scores=filled(empty),
            soft_logits=filled(nothing),
            soft_share=filled(nothing),
            anchor_weights=filled(1.0),
            squares=filled(nothing),
        )

    def rows(self, part: slice) -> 'AnchorSums':
        return AnchorSums(*(LogMean(*(y[part] for y in x)) if isinstance(x, LogMean) else x[part] for x in self))

    def add_row_scores(self, pairs: ContrastivePairs, scores_AM: Tensor) -> None:
        self.row_scores.add(scores_AM.masked_fill(~pairs.negative_AM, -torch.inf))

    def add(self, pairs: ContrastivePairs, treatment: PairTreatment) -> None:
        logits_AM = pairs.logits_AM
        if may_be_true(pairs.positive_AM):
            other_AM = ~pairs.positive_AM
            _add_exponentials(self.log_positive, logits_AM.masked_fill(other_AM, -torch.inf))
            self.positive_logits.add_(logits_AM.masked_fill(other_AM, 0.0).sum(dim=1))
        if treatment.soft_target_scores_AM is not None:
            self._add_soft_targets(pairs, treatment.soft_target_scores_AM, logits_AM)
            self.soft_share.fill_(treatment.soft_target_share)
        if treatment.anchor_weights_A is not None:
            self.anchor_weights.copy_(treatment.anchor_weights_A)
        if treatment.similarity_targets_AM is not None:
            error_AM = (pairs.similarity_AM - treatment.similarity_targets_AM).masked_fill_(_nothing(pairs), 0.0)
            self.squares.add_(error_AM.square_().sum(dim=1), alpha=treatment.regression_weight)

        # The rest is of negatives, and takes the logits' memory.
        other_AM = ~pairs.negative_AM
        if may_be_true(other_AM):
            logits_AM.masked_fill_(other_AM, -torch.inf)
        if treatment.log_weights_AM is not None and treatment.normalise:
            raw_AM = treatment.log_weights_AM.to(logits_AM.dtype).masked_fill(other_AM, -torch.inf)
            relative_AM, shift_A = self.weights.add(raw_AM)
            self.log_negative.add_(shift_A)
            logits_AM.add_(relative_AM)
        else:
            self.weights.set_to_one()
            if treatment.log_weights_AM is not None:
                logits_AM.add_(treatment.log_weights_AM).masked_fill_(other_AM, -torch.inf)
        _add_exponentials(self.log_negative, logits_AM)

    def _add_soft_targets(self, pairs: ContrastivePairs, scores_AM: Tensor, logits_AM: Tensor) -> None:
        scores_AM = scores_AM.masked_fill(_nothing(pairs), -torch.inf)
        before_A = self.log_scores.clone()
        _add_exponentials(self.log_scores, scores_AM)
        log_scores_A = self.log_scores.clamp(min=_LOWEST)  # -inf as long as there are none
        self.soft_logits.mul_((before_A - log_scores_A).exp())
        self.soft_logits.add_((scores_AM - log_scores_A[:, None]).exp_().mul_(logits_AM).sum(dim=1))

    def losses(self) -> Tensor:
        """(A,), once all candidates were added."""
        hard_share = 1 - self.soft_share
        # With one positive and hard targets, the first difference is exactly 0.
        targets = hard_share * self.positive_logits / self.num_positives + self.soft_share * self.soft_logits
        cross_entropy = (self.log_positive - targets) + _log_one_plus_exp(self._odds())
        return self.anchor_weights * cross_entropy + self.squares / self.num_candidates

    def _odds(self) -> Tensor:
        return self.log_negative - self.weights.norm()[1][:, 0] - self.log_positive

    def log_weights(self, pairs: ContrastivePairs, treatment: PairTreatment) -> Tensor:
        """log w of a block's pairs, 0 at those that are no negatives."""
        if treatment.log_weights_AM is None:
            return torch.zeros_like(pairs.similarity_AM)
        largest_A1, log_mean_A1 = self.weights.norm()
        return (treatment.log_weights_AM - largest_A1 - log_mean_A1).masked_fill_(~pairs.negative_AM, 0.0)

    def logit_gradient(self, pairs: ContrastivePairs, treatment: PairTreatment) -> Tensor:
        """Of the sum of the anchors' losses, without the regression, with respect to z: softmax minus targets, (A, M)."""
        odds_A1 = self._odds()[:, None]
        log_total_A1 = self.log_positive[:, None] + _log_one_plus_exp(odds_A1)
        largest_A1, log_mean_A1 = self.weights.norm()
        logits_AM = pairs.logits_AM
        has_positives, other_AM = may_be_true(pairs.positive_AM), ~pairs.negative_AM
        if has_positives:
            # Of the positives' part of the softmax, negatives take away the share sigmoid(odds): again no difference of
            # numbers that are almost equal.
            part_AM = (logits_AM - self.log_positive[:, None]).exp_()
            target_A1 = ((1 - self.soft_share) / self.num_positives)[:, None]
            of_positives_AM = (part_AM - target_A1).addcmul_(part_AM, odds_A1.sigmoid(), value=-1)
        if treatment.soft_target_scores_AM is not None:
            scores_AM = treatment.soft_target_scores_AM.masked_fill(_nothing(pairs), -torch.inf)
            soft_AM = (scores_AM - self.log_scores[:, None]).exp_().mul_(self.soft_share[:, None])
        if treatment.log_weights_AM is not None:
            logits_AM.add_(treatment.log_weights_AM - largest_A1)
        gradient_AM = logits_AM.sub_(log_mean_A1 + log_total_A1).exp_()
        if may_be_true(other_AM):
            gradient_AM.masked_fill_(other_AM, 0.0)
        if has_positives:
            gradient_AM = torch.where(pairs.positive_AM, of_positives_AM, gradient_AM)
        if treatment.soft_target_scores_AM is not None:
            gradient_AM.sub_(soft_AM)
        if treatment.anchor_weights_A is not None:
            gradient_AM.mul_(treatment.anchor_weights_A[:, None])
        return gradient_AM

    def regression_gradient(self, pairs: ContrastivePairs, treatment: PairTreatment) -> Tensor:
        """Of the sum of the anchors' regression terms with respect to the similarities, (A, M)."""
        assert treatment.similarity_targets_AM is not None
        error_AM = (pairs.similarity_AM - treatment.similarity_targets_AM).masked_fill_(_nothing(pairs), 0.0)
        return error_AM.mul_(2 * treatment.regression_weight / self.num_candidates[:, None])


def may_be_true(mask_AM: Tensor) -> bool:
    """False only where the whole mask is False, as most blocks' positives are. A GPU is not waited for."""
    return mask_AM.device.type != 'cpu' or bool(mask_AM.any())


def _nothing(pairs: ContrastivePairs) -> Tensor:
    return ~(pairs.positive_AM | pairs.negative_AM)


def _add_exponentials(log_sum_A: Tensor, values_AM: Tensor) -> None:
    torch.logaddexp(log_sum_A, values_AM.logsumexp(dim=1), out=log_sum_A)


def _log_one_plus_exp(x: Tensor) -> Tensor:
    return torch.logaddexp(x, torch.zeros_like(x))  # `softplus` stops at x = 20
