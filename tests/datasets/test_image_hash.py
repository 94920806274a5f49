"""Images that look alike are found, whatever their size and compression; others are not."""

import cv2
import numpy as np
import pytest

from sacl_mm.datasets.image_hash import NEAR, difference_hash, near_duplicates


def scene(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)


def test_copies_differ_in_a_few_bits_and_other_images_in_many():
    image = scene(0)
    _, jpeg = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 40])
    for copy in (cv2.resize(image, (100, 77)), cv2.imdecode(jpeg, 1), cv2.convertScaleAbs(image, alpha=0.8)):
        assert (difference_hash(copy) ^ difference_hash(image)).bit_count() <= NEAR
    assert all((difference_hash(scene(seed)) ^ difference_hash(image)).bit_count() > 15 for seed in range(1, 20))


@pytest.mark.parametrize('bits', [0, 2, NEAR])
def test_groups_are_those_of_comparing_all_with_all(bits):
    random = np.random.default_rng(bits)
    hashes = [int(value) for value in random.integers(0, 2**63, 60)]
    hashes += [value ^ sum(1 << int(bit) for bit in random.choice(64, random.integers(0, 7))) for value in hashes[:40]]
    expected = {place: {place} for place in range(len(hashes))}
    for a in range(len(hashes)):
        for b in range(a):
            if (hashes[a] ^ hashes[b]).bit_count() <= bits and expected[a] is not expected[b]:
                expected[a] |= expected[b]
                for place in expected[a]:
                    expected[place] = expected[a]
    wanted = {tuple(sorted(group)) for group in expected.values() if len(group) > 1}
    assert {tuple(group) for group in near_duplicates(hashes, bits)} == wanted


def test_more_bits_than_the_bands_allow_are_refused():
    with pytest.raises(ValueError, match='bits must be in'):
        near_duplicates([1, 2], NEAR + 1)
