"""Perceptual hashes: which images look alike, whatever their size and compression.

dHash (Krawetz, 2013): 64 bits, each says whether a pixel of the image, reduced to 8 x 9 grey values, is darker than its right
neighbour. Copies differ in a few bits; of unrelated photographs about 32 differ.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import cv2
import numpy as np

NEAR = 4
"""Bits in which near-duplicates may differ: resized and recompressed copies do in 0 to 3."""
_BANDS = NEAR + 1


def difference_hash(pixels_HW3: np.ndarray) -> int:
    """64 bits of an image in BGR, uint8."""
    grey = cv2.cvtColor(pixels_HW3, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), 'big')


def near_duplicates(hashes: Sequence[int], bits: int = NEAR) -> list[list[int]]:
    """Groups of two or more places whose hashes are linked by differences of at most `bits` (<= NEAR) bits.

    Two hashes that differ in at most NEAR bits agree in one of NEAR + 1 bands of bits (pigeonhole), so that only those that
    share a band are compared.
    """
    if not 0 <= bits <= NEAR:
        raise ValueError(f'bits must be in 0 ... {NEAR}, got {bits}')
    parent = list(range(len(hashes)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    values = np.array(hashes, dtype=np.uint64)
    distinct, first, back = np.unique(values, return_index=True, return_inverse=True)
    for place, of_first in enumerate(first[back].tolist()):
        parent[root(place)] = root(of_first)
    for shared in _sharing_a_band(distinct):
        for number, place in enumerate(shared[:-1]):
            others = shared[number + 1 :]
            near = others[_bits_set(distinct[others] ^ distinct[place]) <= bits]
            for other in near.tolist():
                parent[root(int(first[other]))] = root(int(first[place]))
    groups: dict[int, list[int]] = {}
    for place in range(len(hashes)):
        groups.setdefault(root(place), []).append(place)
    return [group for group in groups.values() if len(group) > 1]


def _bits_set(values: np.ndarray) -> np.ndarray:
    return np.unpackbits(values.view(np.uint8)).reshape(-1, 64).sum(axis=1)  # numpy.bitwise_count needs NumPy 2


def _sharing_a_band(hashes: np.ndarray) -> Iterator[np.ndarray]:
    """Places of two or more hashes with the same bits in a band."""
    edges = np.linspace(0, 64, _BANDS + 1).astype(int)
    for low, high in pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = band.argsort(kind='stable')
        for shared in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            if len(shared) > 1:
                yield shared
