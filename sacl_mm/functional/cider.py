"""CIDEr: how well a caption fits an image, judged by the captions that people gave the image.

Shapes: N images, T captions of all of them, V distinct n-grams.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

# CIDEr looks at sequences of one to four words.
_LONGEST = 4
_WORD = re.compile(r"\w+(?:'\w+)?")
# Images at a time: most pairs share a word, so that a sparse product is larger than a dense one.
_CHUNK = 256


def cider_matrix(captions: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """(N, T): the consensus of every caption with the captions of every image, in [0, 1].

    CIDEr (Vedantam et al., CVPR 2015, arXiv 1411.5726, Eq. 2-3) without its factor of 10 and without stemming: the mean over
    an image's captions, and over n = 1 to 4, of the cosine between n-gram counts, each weighted by log(N / images that have
    the n-gram in a caption). A caption of the image itself is compared with itself as well.

    Args:
        captions: of each image, at least one; T runs over them in this order.

    Raises:
        ValueError: an image without a caption.
    """
    empty = [number for number, texts in enumerate(captions) if not texts]
    if empty:
        raise ValueError(f'images without a caption: {", ".join(map(str, empty[:5]))}')
    owner_T = np.repeat(np.arange(len(captions)), [len(texts) for texts in captions])
    share_T = 1 / np.bincount(owner_T)[owner_T]
    mean_NT = csr_matrix((share_T, (owner_T, np.arange(len(owner_T)))))
    consensus_NT = np.zeros(mean_NT.shape, np.float32)
    words = [_WORD.findall(text.lower()) for texts in captions for text in texts]
    for unit_TV in _unit_rows(words, mean_NT):
        image_NV = mean_NT @ unit_TV
        for start in range(0, len(captions), _CHUNK):
            rows = slice(start, start + _CHUNK)
            consensus_NT[rows] += (image_NV[rows] @ unit_TV.T).toarray() / _LONGEST
    return consensus_NT


def _unit_rows(words: list[list[str]], mean_NT: csr_matrix) -> Iterator[csr_matrix]:
    """For each n, the captions' weighted counts of n-grams (T, V) as rows of length 1; of length 0 where a caption has none
    that tells images apart."""
    for n in range(1, _LONGEST + 1):
        counts = [Counter(zip(*(text[start:] for start in range(n)), strict=False)) for text in words]
        column_of: dict[tuple[str, ...], int] = {}
        columns = [column_of.setdefault(gram, len(column_of)) for count in counts for gram in count]
        rows = np.repeat(np.arange(len(words)), [len(count) for count in counts])
        numbers = [float(number) for count in counts for number in count.values()]
        counts_TV = csr_matrix((numbers, (rows, columns)), shape=(len(words), len(column_of)))
        images_V = (mean_NT @ counts_TV).getnnz(axis=0)
        weighted_TV = counts_TV @ diags(np.log(mean_NT.shape[0] / images_V))
        length_T = np.sqrt(np.asarray(weighted_TV.multiply(weighted_TV).sum(axis=1))).ravel()
        yield diags(1 / np.where(length_T > 0, length_T, 1)) @ weighted_TV
