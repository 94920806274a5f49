"""Weights of several policies, multiplied."""

from collections.abc import Iterable
from typing import cast

from torch import nn

from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import NegativePolicy, check_policy
from sacl_mm.models.losses.policies.weights_alone import answered_besides_weights, besides_weights


class WeightProduct(NegativePolicy):
    """log w = sum of the policies' log-weights, each before its normalisation; normalised once if any of them asks for it.

    HardNegativeNCE with SimilarityRegulation(alpha=1, evidence='captions') pushes sure negatives harder and leaves doubtful
    ones alone.

    Args:
        policies: they answer with weights and nothing else. SoftTargets, SimilarityRegression and ThresholdRemoval go around
            the product, and so does EvidenceRemoval of a policy that normalises its weights.
    """

    def __init__(self, policies: Iterable[NegativePolicy]) -> None:
        super().__init__()
        given = list(policies) if isinstance(policies, Iterable) and not isinstance(policies, (str, dict)) else []
        if not given:
            raise ValueError(f'policies must be a list of policies, got {policies!r}')
        for number, policy in enumerate(given):
            if what := besides_weights(check_policy(f'policies[{number}]', policy)):
                raise _not_weights_alone(number, policy, what)
        self.policies = nn.ModuleList(given)

    @property
    def needs_evidence(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for policy in self._all() for name in policy.needs_evidence))

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        product = PairTreatment()
        for number, policy in enumerate(self._all()):
            treatment = policy(pairs)
            # The policies of this library were looked at when they were built; others may still answer with more.
            if what := answered_besides_weights(treatment):
                raise _not_weights_alone(number, policy, what)
            product.normalise |= treatment.normalise
            if product.log_weights_AM is None:
                product.log_weights_AM = treatment.log_weights_AM
            elif treatment.log_weights_AM is not None:
                product.log_weights_AM = product.log_weights_AM + treatment.log_weights_AM
        return product

    def _all(self) -> list[NegativePolicy]:
        return [cast(NegativePolicy, policy) for policy in self.policies]


def _not_weights_alone(number: int, policy: NegativePolicy, what: str) -> ValueError:
    return ValueError(
        f'policies[{number}], {type(policy).__name__}, has {what}, but a product is of weights alone: put that around the '
        'product (base_policy=WeightProduct)'
    )
