"""Lexical coverage: how much of a caption an image's own captions say, too. A sign of false negatives that needs no model.

Shapes: N images, T captions of all of them, V distinct words.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

LIKELY = 0.9
"""Coverage from which a caption is called a likely false negative; how good that is: docs/false_negatives.md."""
# Chinese and Japanese are written without spaces: there a character is the word.
_NO_SPACES = '\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff'
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\W{_NO_SPACES}]+(?:['\u2019][^\W{_NO_SPACES}]+)?")
# Images at a time: most pairs share a word, so that a sparse product is larger than a dense one.
_BLOCK = 256
# Words of a larger share of the images are multiplied as dense columns, which is faster.
_COMMON = 0.05
_ROUNDING = 1e-5  # of a sum of float32


def words_of(text: str) -> list[str]:
    """In lower case, without punctuation."""
    return _WORD.findall(text.lower())


class LexicalCoverage:
    """The IDF-weighted share of a caption's words that an image's own captions contain:

        coverage_ij = sum_{w in j and in a caption of i} idf_w / sum_{w in j} idf_w,    idf_w = log(N / n_w)

    for image i and caption j, where n_w images have w in a caption. A word of a caption counts once, whatever its case.
    It is 1 for an image's own captions, 1 for a caption of words that all images have, and 0 for a caption without words.

    Args:
        captions: of each image; T runs over them in this order.
    """

    def __init__(self, captions: Sequence[Sequence[str]]) -> None:
        self.owner_T = np.repeat(np.arange(len(captions)), [len(texts) for texts in captions])
        words = [dict.fromkeys(words_of(text)) for texts in captions for text in texts]
        column_of: dict[str, int] = {}
        columns = [column_of.setdefault(word, len(column_of)) for text in words for word in text]
        texts = np.repeat(np.arange(len(words)), [len(text) for text in words])
        size = len(column_of)
        ones = np.ones(len(columns), np.float32)
        says_TV = csr_matrix((ones, (texts, columns)), (len(words), size))
        self._says_NV = csr_matrix((ones, (self.owner_T[texts], columns)), (len(captions), size))
        self._says_NV.sum_duplicates()
        self._says_NV.data[:] = 1
        images_V = self._says_NV.getnnz(axis=0)
        self._is_common_V = images_V > _COMMON * len(captions)
        weight_TV = says_TV @ diags(np.log(len(captions) / images_V).astype(np.float32))
        of_all_T = np.asarray(weight_TV.sum(axis=1)).ravel() == 0  # of words that all images have: any weights will do
        weight_TV = weight_TV + diags(of_all_T.astype(np.float32)) @ says_TV
        total_T = np.asarray(weight_TV.sum(axis=1)).ravel()
        self._share_TV = csr_matrix(diags(1 / np.where(total_T > 0, total_T, 1)) @ weight_TV, dtype=np.float32)

    def __len__(self) -> int:
        return self._says_NV.shape[0]

    def __call__(
        self, images: Sequence[int] | NDArray | None = None, texts: Sequence[int] | NDArray | None = None
    ) -> NDArray[np.float32]:
        """(images, texts), in [0, 1]; None: all."""
        says_NV = self._says_NV if images is None else self._says_NV[images]
        share_TV = self._share_TV if texts is None else self._share_TV[texts]
        common_V, rare_V = self._is_common_V, ~self._is_common_V
        coverage_NT = says_NV[:, common_V].toarray() @ share_TV[:, common_V].toarray().T
        rare_VT = share_TV[:, rare_V].T.tocsr()
        for start in range(0, len(coverage_NT), _BLOCK):
            coverage_NT[start : start + _BLOCK] += (says_NV[start : start + _BLOCK, rare_V] @ rare_VT).toarray()
        coverage_NT[coverage_NT > 1 - _ROUNDING] = 1  # so that captions that are covered wholly are equal
        return coverage_NT

    def rows(self, width: int) -> tuple[csr_matrix, csr_matrix]:
        """(N, width) of images and (T, width) of captions, whose inner products are the coverage. If there are more words, the
        less frequent ones share the last half of the columns, so that it may come out larger."""
        rank_V = np.empty(self._says_NV.shape[1], np.int64)
        rank_V[np.argsort(-self._says_NV.getnnz(axis=0), kind='stable')] = np.arange(len(rank_V))
        column_V = np.where(rank_V < width, rank_V, width - 1 - (rank_V - width) % (width // 2))
        place = csr_matrix((np.ones(len(rank_V), np.float32), (np.arange(len(rank_V)), column_V)), (len(rank_V), width))
        says, share = self._says_NV @ place, self._share_TV @ place
        says.data[:] = 1
        share.data *= 1 + _ROUNDING  # so that what is covered wholly is at least 1
        return says, share

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Some images after the other with their coverage of all captions: it need not fit into memory as a whole."""
        for start in range(0, len(self), _BLOCK):
            images = np.arange(start, min(start + _BLOCK, len(self)))
            yield images, self(images)
