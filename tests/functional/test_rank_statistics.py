import numpy as np
import pytest

from sacl_mm.functional.rank_statistics import area_under_curve, percentile_ranks


@pytest.mark.parametrize('levels', [4, 10**6], ids=['ties', 'distinct'])
def test_equal_plain_loops(levels):
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(levels, size=30), rng.integers(levels, size=50)
    wins = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    assert area_under_curve(positive, negative) == pytest.approx(np.mean(wins))

    scores, index = rng.integers(levels, size=(20, 15)), rng.integers(15, size=20)
    expected = [
        100 * np.mean([(row[i] > row[m]) + (row[i] == row[m]) / 2 for m in range(15) if m != i])
        for row, i in zip(scores, index, strict=True)
    ]
    np.testing.assert_allclose(percentile_ranks(scores, index), expected)


def test_extremes():
    assert area_under_curve(np.array([2.0, 3.0]), np.array([1.0])) == 1
    assert area_under_curve(np.array([1.0]), np.array([1.0, 1.0])) == 0.5
    assert np.isnan(area_under_curve(np.array([]), np.array([1.0])))
    assert np.isnan(area_under_curve(np.array([1.0]), np.array([])))
    ranks = percentile_ranks(np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]), np.array([0, 0, 0]))
    assert ranks.tolist() == [100, 0, 50]
