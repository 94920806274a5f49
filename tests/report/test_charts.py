import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from sacl_mm.report.axes import Frame, finite_range, ticks
from sacl_mm.report.histogram import Group, histogram
from sacl_mm.report.line_chart import Series, line_chart
from sacl_mm.report.point_chart import Point, point_chart

SVG = '{http://www.w3.org/2000/svg}'


def draw(*curves):
    names = ('infonce', 'sacl')
    series = [Series(name, curve, name) for name, curve in zip(names, curves, strict=False)]
    return ElementTree.fromstring(line_chart('a <title>', series, 'x', 'y'))


def points_of(svg):
    drawn = [line.get('points') for line in svg.iter(f'{SVG}polyline')]
    return [[tuple(map(float, pair.split(','))) for pair in points.split()] for points in drawn]


@pytest.mark.parametrize(
    ('low', 'high'), [(0, 1), (-3.7, 12), (0.0661, 0.0742), (1e-7, 3e-7), (990, 1010), (-5, -4.99)]
)
def test_ticks_are_round_and_inside(low, high):
    marks = ticks(low, high)
    assert 3 <= len(marks) <= 9
    assert all(low <= mark <= high for mark in marks)
    steps = np.diff(marks)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    assert float(f'{steps[0] / 10 ** math.floor(math.log10(steps[0])):.6f}') in (1, 2, 2.5, 5, 10)


@pytest.mark.parametrize(('low', 'high'), [(0.96, 3.04), (1, 8), (0, 35), (0, 512)])
def test_whole_ticks(low, high):
    marks = ticks(low, high, least_step=1)
    assert len(marks) >= 3
    assert all(mark == int(mark) for mark in marks)


def test_range_ignores_what_is_not_finite_and_is_never_empty():
    assert finite_range([2.0, math.nan, 4.0, math.inf], margin=0) != (2.0, math.inf)
    assert finite_range([]) == finite_range([math.nan]) == (0, 1)
    for value in (0.0, 3.0, -3.0):
        low, high = finite_range([value])
        assert low < value < high


def test_frame_maps_corners():
    frame = Frame((0, 10), (0, 1))
    assert (frame.x(0), frame.x(10)) == (frame.left, frame.width - frame.right)
    assert (frame.y(0), frame.y(1)) == (frame.height - frame.bottom, frame.top)


def test_lines_lie_inside_and_rise_where_values_rise():
    svg = draw([(1, 0.5), (2, 0.7), (3, 0.6)], [(1, 5.0), (3, -5.0)])
    width, height = map(float, svg.get('viewBox').split()[2:])
    first, second = points_of(svg)
    assert (len(first), len(second)) == (3, 2)
    assert all(0 < x < width and 0 < y < height for x, y in first + second)
    assert first[1][1] < first[0][1]  # upwards is smaller in SVG
    assert first[0][0] == second[0][0]


def test_one_point_nan_and_nothing():
    assert len(points_of(draw([(1, 0.5)]))) == 1
    assert [len(piece) for piece in points_of(draw([(1, 1.0), (2, 2.0), (3, math.nan), (4, 1.0)]))] == [2, 1]
    for empty in ([], [(1, math.nan)]):
        assert points_of(draw(empty)) == []
        assert any('nothing was logged' in (item.text or '') for item in draw(empty).iter(f'{SVG}text'))


def test_text_is_escaped():
    assert draw([(1, 1.0)]).find(f'{SVG}title').text == 'a <title>'


def test_histogram_shares_of_each_group():
    few, many = np.full(5, 0.55), np.concatenate([np.full(900, 1.45), np.full(100, 99.0)])
    text = histogram('t', [Group('few', few, 'false-negative'), Group('many', many, 'true-negative')], 'x', 1.0, 'one')
    svg = ElementTree.fromstring(text)
    heights = []
    for polygon in svg.iter(f'{SVG}polygon'):
        y = [float(pair.split(',')[1]) for pair in polygon.get('points').split()]
        heights.append(max(y) - min(y))
    # 5 of 5 in one bin against 900 + 0 or 100 of 1,000.
    assert heights[1] / heights[0] == pytest.approx(0.9, abs=0.01)
    assert re.search('>one<', text)


def test_histogram_of_an_empty_group():
    text = histogram(
        't', [Group('a', np.array([]), 'false-negative'), Group('b', np.ones(3), 'true-negative')], 'x', 1, ''
    )
    ElementTree.fromstring(text)


def test_points_lie_where_their_values_are_and_bars_are_as_long_as_the_spread():
    points = [Point('none', 100, 30, 1, 'sacl'), Point('half < all', 50, 28, 2, 'infonce')]
    drawn = ElementTree.fromstring(point_chart('a & b', points, 'x', 'y', {'sacl': 'by itself'}))
    dots = [(float(dot.get('cx')), float(dot.get('cy'))) for dot in drawn.iter(f'{SVG}circle')]
    assert dots[0][0] > dots[1][0]
    assert dots[0][1] < dots[1][1]
    bars = [line for line in drawn.iter(f'{SVG}line') if line.get('stroke-width') == '2']
    lengths = [float(bar.get('y1')) - float(bar.get('y2')) for bar in bars]
    assert lengths[1] == pytest.approx(2 * lengths[0], abs=0.2)
    assert {'none', 'half < all', 'by itself'} <= {element.text for element in drawn.iter(f'{SVG}text')}


def test_a_name_does_not_hide_a_point():
    points = [
        Point('first', 50, 28, 0, 'sacl'),
        Point('second', 52, 28.05, 0, 'sacl'),
        Point('far', 100, 29, 0, 'sacl'),
    ]
    drawn = ElementTree.fromstring(point_chart('title', points, 'x', 'y', {}))
    height = {dot.text: float(dot.get('y')) for dot in drawn.iter(f'{SVG}text')}
    first, second, _ = (float(dot.get('cy')) for dot in drawn.iter(f'{SVG}circle'))
    assert height['first'] > first
    assert height['second'] < second


@pytest.mark.parametrize('points', [[], [Point('lost', 1, math.nan, 0, 'sacl')]])
def test_points_that_cannot_be_drawn(points):
    with pytest.raises(ValueError, match='finite'):
        point_chart('title', points, 'x', 'y', {})
