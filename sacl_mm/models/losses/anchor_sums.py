"""One direction of the loss: each anchor's running sums over its candidates, and loss and gradient from these sums.

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

# Below any log-weight, but finite, so that differences are numbers.
_LOWEST = -1e30


class LogMean(NamedTuple):
    """log of the mean of e^g over negatives, kept as sums relative to the largest g so far, as in FlashAttention."""

    largest_A: Tensor
    total_A: Tensor
    count_A: Tensor

    def rows(self, part: slice) -> 'LogMean':
        return LogMean(*(x[part] for x in self))

    def add(self, values_AM: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the values minus the largest so far of their anchor, and the shift (A,) to add to values returned
        earlier."""
        largest_A = torch.maximum(self.largest_A, values_AM.amax(dim=1))
        shift_A = self.largest_A - largest_A
        self.largest_A.copy_(largest_A)
        relative_AM = values_AM - largest_A[:, None]
        self.total_A.mul_(shift_A.exp()).add_(relative_AM.exp().sum(dim=1))
        return relative_AM, shift_A

    def norm(self) -> tuple[Tensor, Tensor]:
        """Two terms (A, 1); g minus both has a mean of e^g of 1. An anchor with a negative has a total of at least 1."""
        return self.largest_A[:, None], (self.total_A.clamp(min=1) / self.count_A.clamp(min=1)).log()[:, None]

    def set_to_one(self) -> None:
        self.largest_A.zero_()
        self.total_A.copy_(self.count_A)


class AnchorSums(NamedTuple):
    """Running sums, each (A,). They change in place, so a slice (`rows`) shares them with the whole."""

    num_positives: Tensor
    num_candidates: Tensor
    log_positive: Tensor
    """LSE_P z."""
    positive_logits: Tensor
    """Sum of z over P."""
    log_negative: Tensor
    """LSE_N (z + g - largest g)."""
    weights: LogMean
    """The mean of e^g; 1 if the policy does not ask for normalisation."""
    row_scores: LogMean
    """The mean of e^`row_scores`, for policies with `needs_row_sums`."""
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
        return AnchorSums._make(x.rows(part) if isinstance(x, LogMean) else x[part] for x in self)

    def add_row_scores(self, pairs: ContrastivePairs, scores_AM: Tensor) -> None:
        """Add a block to `row_scores`, before any `add`."""
        self.row_scores.add(_of_negatives(scores_AM, pairs, -torch.inf))

    def add(self, pairs: ContrastivePairs, treatment: PairTreatment) -> None:
        """Add a block's positives and its negatives, weighted as the policy says."""
        logits_AM = pairs.logits_AM
        if pairs.may_have_positives:
            other_AM = ~pairs.positive_AM
            _add_exponentials(self.log_positive, logits_AM.masked_fill(other_AM, -torch.inf))
            self.positive_logits.add_(logits_AM.masked_fill(other_AM, 0.0).sum(dim=1))
        if treatment.soft_target_scores_AM is not None:
            self._add_soft_targets(pairs, treatment.soft_target_scores_AM, logits_AM)
            self.soft_share.fill_(treatment.soft_target_share)
        if treatment.anchor_weights_A is not None:
            self.anchor_weights.copy_(treatment.anchor_weights_A)
        if treatment.similarity_targets_AM is not None:
            self.squares.add_(_errors(pairs, treatment).square_().sum(dim=1), alpha=treatment.regression_weight)

        weighted_AM = logits_AM
        if treatment.log_weights_AM is not None and treatment.normalise:
            weighted_AM, shift_A = self.weights.add(_of_negatives(treatment.log_weights_AM, pairs, -torch.inf))
            self.log_negative.add_(shift_A)
            weighted_AM.add_(logits_AM)
        else:
            self.weights.set_to_one()
            if treatment.log_weights_AM is not None:
                weighted_AM.add_(treatment.log_weights_AM)
        _add_exponentials(self.log_negative, _of_negatives(weighted_AM, pairs, -torch.inf))

    def _add_soft_targets(self, pairs: ContrastivePairs, scores_AM: Tensor, logits_AM: Tensor) -> None:
        scores_AM = _of_candidates(scores_AM, pairs, -torch.inf)
        before_A = self.log_scores.clone()
        _add_exponentials(self.log_scores, scores_AM)
        log_scores_A = self.log_scores.clamp(min=_LOWEST)  # -inf as long as there are none
        self.soft_logits.mul_((before_A - log_scores_A).exp())
        self.soft_logits.add_((scores_AM - log_scores_A[:, None]).exp_().mul_(logits_AM).sum(dim=1))

    def losses(self) -> Tensor:
        """The anchors' losses (A,), after all candidates were added."""
        hard_share = 1 - self.soft_share
        targets = hard_share * self.positive_logits / self.num_positives + self.soft_share * self.soft_logits
        # With one positive and hard targets, the difference is exactly 0.
        cross_entropy = (self.log_positive - targets) + _log_one_plus_exp(self._odds())
        return self.anchor_weights * cross_entropy + self.squares / self.num_candidates

    def _odds(self) -> Tensor:
        return self.log_negative - self.weights.norm()[1][:, 0] - self.log_positive

    def log_weights(self, pairs: ContrastivePairs, treatment: PairTreatment) -> Tensor:
        """log w of a block's negatives, 0 elsewhere."""
        if treatment.log_weights_AM is None:
            return torch.zeros_like(pairs.similarity_AM)
        largest_A1, log_mean_A1 = self.weights.norm()
        return (treatment.log_weights_AM - largest_A1 - log_mean_A1).masked_fill(~pairs.negative_AM, 0.0)

    def logit_gradient(self, pairs: ContrastivePairs, treatment: PairTreatment) -> Tensor:
        """The gradient of the anchors' summed losses, without the regression, with respect to z: softmax minus targets, (A,
        M)."""
        odds_A1, log_positive_A1 = self._odds()[:, None], self.log_positive[:, None]
        largest_A1, log_mean_A1 = self.weights.norm()
        log_rest_A1 = log_mean_A1 + log_positive_A1 + _log_one_plus_exp(odds_A1)
        log_softmax_AM = torch.addcdiv(-log_rest_A1, pairs.similarity_AM, pairs.temperature)
        if treatment.log_weights_AM is not None:
            log_softmax_AM += treatment.log_weights_AM - largest_A1
        gradient_AM = _of_negatives(log_softmax_AM.exp_(), pairs, 0.0)
        if pairs.may_have_positives:
            # The negatives take the share sigmoid(odds) from the positives' softmax: again, no difference of almost equal
            # numbers.
            part_AM = (pairs.logits_AM - log_positive_A1).exp_()
            hard_A1 = ((1 - self.soft_share) / self.num_positives)[:, None]
            gradient_AM = torch.where(pairs.positive_AM, part_AM - hard_A1 - part_AM * odds_A1.sigmoid(), gradient_AM)
        if treatment.soft_target_scores_AM is not None:
            scores_AM = _of_candidates(treatment.soft_target_scores_AM, pairs, -torch.inf)
            gradient_AM -= self.soft_share[:, None] * (scores_AM - self.log_scores[:, None]).exp_()
        return gradient_AM if treatment.anchor_weights_A is None else gradient_AM * self.anchor_weights[:, None]

    def regression_gradient(self, pairs: ContrastivePairs, treatment: PairTreatment) -> Tensor:
        """The gradient of the anchors' summed regression terms with respect to the similarities, (A, M)."""
        return _errors(pairs, treatment) * (2 * treatment.regression_weight / self.num_candidates[:, None])


def _of_negatives(x_AM: Tensor, pairs: ContrastivePairs, otherwise: float) -> Tensor:
    """`x_AM`, with `otherwise` where a pair is not a negative."""
    return x_AM if pairs.are_all_negative else x_AM.masked_fill(~pairs.negative_AM, otherwise)


def _of_candidates(x_AM: Tensor, pairs: ContrastivePairs, otherwise: float) -> Tensor:
    """`x_AM`, with `otherwise` at the empty slots of a bank."""
    return x_AM if pairs.are_all_negative else x_AM.masked_fill(pairs.candidate_image_ids < 0, otherwise)


def _errors(pairs: ContrastivePairs, treatment: PairTreatment) -> Tensor:
    """Similarity minus its regression target, 0 at the empty slots of a bank."""
    assert treatment.similarity_targets_AM is not None
    return _of_candidates(pairs.similarity_AM - treatment.similarity_targets_AM, pairs, 0.0)


def _add_exponentials(log_sum_A: Tensor, values_AM: Tensor) -> None:
    torch.logaddexp(log_sum_A, values_AM.logsumexp(dim=1), out=log_sum_A)


def _log_one_plus_exp(x: Tensor) -> Tensor:
    return torch.logaddexp(x, torch.zeros_like(x))  # `softplus` stops at x = 20
