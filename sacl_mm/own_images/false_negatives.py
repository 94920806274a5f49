"""How many of a batch's negatives are likely false, from captions alone.

Shapes: N images, T captions of all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sacl_mm.functional.lexical_coverage import LIKELY, LexicalCoverage, words_of

MOST_IMAGES = 5000
# From this estimated share on, soft targets of weight 0.9 gained more mAP in the embedded world than they cost in recall.
DENSE = 0.02


@dataclass(frozen=True)
class Suspect:
    """A caption that may be true of another image than its own: its text, places of the image and of its own, coverage."""

    image: int
    owner: int
    caption: str
    coverage: float


@dataclass(frozen=True)
class LikelyFalseNegatives:
    """`share`: of a batch's negatives, in [0, 1]; `images`: how many were looked at; `suspects`: the likeliest first."""

    share: float
    images: int
    suspects: list[Suspect]

    def per_image(self, batch_size: int) -> float:
        """Expected number among the `batch_size` - 1 negatives of an image."""
        return self.share * (batch_size - 1)


def likely_false_negatives(
    captions: Sequence[Sequence[str]], threshold: float = LIKELY, most_images: int = MOST_IMAGES
) -> LikelyFalseNegatives:
    """The chance that a negative is a likely false one, and the pairs in question.

    A batch has different images, each with one of its captions, all drawn with equal chances. A negative is an image i with
    the caption of another image of the batch; it is likely false where its coverage (`LexicalCoverage`) is at least the
    threshold. With k_j captions of image j, the expected share of such negatives, in a batch of any size, is

        share = 1 / (N (N - 1)) sum_i sum_{j != i} 1 / k_j sum_{t of j} [coverage_it >= threshold].

    Of more than `most_images` images that many are looked at, evenly spread; N and the IDF are those of these.

    Suspects are one per image, the caption with the highest coverage and of these the longest (in words); in this order,
    each caption once.

    Args:
        captions: of each image, at least one.
    """
    count = min(len(captions), most_images)
    looked_at = np.arange(count) * len(captions) // max(count, 1)
    coverage = LexicalCoverage([captions[place] for place in looked_at])
    texts = [text for place in looked_at for text in captions[place]]
    length_T = np.array([len(words_of(text)) for text in texts])
    weight_T = 1 / np.bincount(coverage.owner_T)[coverage.owner_T]
    chance, best = 0.0, []
    for images_B, coverage_BT in coverage.blocks():
        coverage_BT[images_B[:, None] == coverage.owner_T] = -1
        chance += float(((coverage_BT >= threshold) @ weight_T).sum())
        highest_B = coverage_BT.max(axis=1)
        text_B = np.where(coverage_BT == highest_B[:, None], length_T, -1).argmax(axis=1)
        best += [
            (highest, length_T[text], image, text)
            for highest, image, text in zip(highest_B.tolist(), images_B.tolist(), text_B.tolist(), strict=True)
            if highest >= threshold
        ]
    suspects = {}
    for highest, _, image, text in sorted(best, key=lambda one: (-one[0], -one[1], one[2])):
        owner = coverage.owner_T[text]
        suspects.setdefault(texts[text], Suspect(int(looked_at[image]), int(looked_at[owner]), texts[text], highest))
    pairs = len(coverage) * (len(coverage) - 1)
    return LikelyFalseNegatives(chance / max(pairs, 1), len(coverage), list(suspects.values()))
