"""The policies that are compared, by name: what each sets in a configuration.

A value that is a dict with a `type` replaces the configuration's own wholly. `{checkpoint}` stands for the last checkpoint
of the run that a variant comes after.
"""

from dataclasses import dataclass, field
from typing import Any

CHECKPOINT = '{checkpoint}'
POLICY = 'model.contrastive_loss.policy'
REFERENCE = 'model.reference_checkpoint'


@dataclass(frozen=True)
class Variant:
    """Dotted settings, and the label of the variant whose checkpoint (same seed, same setting) they need."""

    options: dict[str, Any] = field(default_factory=dict)
    after: str | None = None


VARIANTS = {
    'InfoNCE': Variant({POLICY: dict(type='InfoNCE')}),
    'oracle': Variant({POLICY: dict(type='OracleRemoval', relevance=dict(type='ShapeWorldRelevance'))}),
    'HN-NCE': Variant({POLICY: dict(type='HardNegativeNCE')}),
    'SACL': Variant({POLICY: dict(type='SimilarityRegulation', similarity_temperature=0.3)}),
    # With a finished InfoNCE as its reference model H, from which the weights move to the model's own similarities.
    'SACL, H': Variant(
        {
            POLICY: dict(type='SimilarityRegulation', similarity_temperature=0.3, alpha=(1.0, 0.0)),
            REFERENCE: CHECKPOINT,
        },
        after='InfoNCE',
    ),
}
