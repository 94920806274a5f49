"""How much of a caption an image's own captions say, too: a sign of false negatives that needs no image.

Shapes: N images, T captions of all of them, V distinct words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

LIKELY = 0.8
"""Coverage from which a caption is called a likely false negative; see docs/false_negatives_estimate.md."""
_WORD = re.compile(r"\w+(?:'\w+)?")
# Images at a time: most pairs share a word, so that a sparse product is larger than a dense one.
_CHUNK = 256
# Words of a larger share of the images are multiplied as dense columns, five times as fast for 5,000 x 25,000.
_COMMON = 0.05


class LexicalCoverage:
    """`coverage(images)`: for image i and caption j the share of j's words that i's own captions contain,

        coverage_ij = sum_{w in j and in a caption of i} idf_w / sum_{w in j} idf_w,    idf_w = log(N / n_w),

    n_w: images with w in a caption. Each word of a caption counts once; case and punctuation do not count. 1 for the image's
    own captions, and 0 for a caption without any word that tells images apart.

    Args:
        captions: of each image; T runs over them in this order.
    """

    def __init__(self, captions: Sequence[Sequence[str]]) -> None:
        self.owner_T = np.repeat(np.arange(len(captions)), [len(texts) for texts in captions])
        words = [sorted(set(_WORD.findall(text.lower()))) for texts in captions for text in texts]
        column_of: dict[str, int] = {}
        columns = [column_of.setdefault(word, len(column_of)) for own in words for word in own]
        rows = np.repeat(np.arange(len(words)), [len(own) for own in words])
        has_TV = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(words), len(column_of)))
        has_NV = csr_matrix(
            (np.ones(len(rows), np.float32), (self.owner_T[rows], columns)), (len(captions), len(column_of))
        )
        has_NV.data[:] = 1  # however many of the captions have it
        idf_V = np.log(max(len(captions), 1) / np.maximum(has_NV.getnnz(axis=0), 1)).astype(np.float32)
        telling = np.flatnonzero(idf_V > 0)
        self._has_NV = has_NV[:, telling]
        self._is_common_V = self._has_NV.getnnz(axis=0) > _COMMON * len(captions)
        weighted_TV = has_TV[:, telling] @ diags(idf_V[telling])
        total_T = np.asarray(weighted_TV.sum(axis=1)).ravel()
        self._share_TV = (diags(1 / np.where(total_T > 0, total_T, 1)) @ weighted_TV).tocsr().astype(np.float32)

    @property
    def num_images(self) -> int:
        return self._has_NV.shape[0]

    def __call__(
        self,
        images: Sequence[int] | NDArray | slice = slice(None),
        texts: Sequence[int] | NDArray | slice = slice(None),
    ) -> NDArray[np.float32]:
        """Coverage of these captions (columns) by these images (rows), all by default, in [0, 1]."""
        has_NV, share_TV, common_V = self._has_NV[images], self._share_TV[texts], self._is_common_V
        coverage_NT = has_NV[:, common_V].toarray() @ share_TV[:, common_V].toarray().T
        rare_NV, rare_VT = has_NV[:, ~common_V], share_TV[:, ~common_V].T.tocsr()
        for start in range(0, len(coverage_NT), _CHUNK):
            coverage_NT[start : start + _CHUNK] += (rare_NV[start : start + _CHUNK] @ rare_VT).toarray()
        return np.minimum(coverage_NT, 1, out=coverage_NT)


@dataclass(frozen=True)
class FalseNegativeEstimate:
    """Likely false negatives of a random batch, in which each image comes with one of its captions.

    Args:
        share: probability that a negative of an image, the caption of another one, is a likely false negative.
        sampled: number of images that it is estimated from.
        threshold: coverage from which a caption is called one.
    """

    share: float
    sampled: int
    threshold: float

    def per_image(self, batch_size: int) -> float:
        """Expected number among the `batch_size - 1` negatives of an image: `share (batch_size - 1)`."""
        return self.share * (batch_size - 1)


def estimate_false_negatives(
    coverage: LexicalCoverage, threshold: float = LIKELY, sampled: int = 1000
) -> FalseNegativeEstimate:
    """The mean, over images i of an evenly spaced sample and all other images j with a caption, of the share of j's captions
    that i covers to `threshold` or more."""
    images = np.arange(0, coverage.num_images, max(1, -(-coverage.num_images // sampled)))
    number_N = np.bincount(coverage.owner_T, minlength=coverage.num_images)
    weight_T = 1 / number_N[coverage.owner_T]
    likely, possible = 0.0, 0
    for some in np.array_split(images, max(1, len(images) // _CHUNK)):
        likely_NT = coverage(some) >= threshold
        likely_NT[some[:, None] == coverage.owner_T] = False
        likely += float((likely_NT @ weight_T).sum())
        possible += len(some) * int((number_N > 0).sum()) - int((number_N[some] > 0).sum())
    return FalseNegativeEstimate(likely / max(possible, 1), len(images), threshold)
