import math
import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from sacl_mm.report import figures
from sacl_mm.report.figures import Line, Point, histogram, line_figure, plain_svg, point_figure

SVG = '{http://www.w3.org/2000/svg}'


def draw(*curves, **options):
    lines = [Line(f'run {i}', curve, i, **options) for i, curve in enumerate(curves)]
    return line_figure('a <title> & "more"', lines, 'iteration', 'loss')


def texts_of(svg):
    return {element.text for element in ElementTree.fromstring(svg).iter(f'{SVG}text')}


def drawn_axes(monkeypatch, make):
    """The axes that a figure is drawn from."""
    seen = []
    monkeypatch.setattr(figures, 'inline_svg', lambda figure, title: seen.append(figure.axes[0]))
    make()
    return seen[0]


def test_the_same_figure_gives_the_same_bytes_and_leaves_no_trace():
    before = dict(matplotlib.rcParams)
    curve = [(1, 0.5), (2, 0.7)]
    first = draw(curve)
    with matplotlib.rc_context({'lines.linewidth': 9, 'svg.fonttype': 'path', 'font.size': 30, 'text.usetex': True}):
        second = draw(curve)
    assert first == second
    assert dict(matplotlib.rcParams) == before
    assert not re.search(r'\bdate\b|purl|matplotlib v', first, re.IGNORECASE)


def test_a_figure_follows_the_theme_and_says_what_it_is():
    svg = draw([(1, 0.5), (2, 0.7)], [(1, 0.4)])
    root = ElementTree.fromstring(svg)
    assert root.get('aria-label') == 'a <title> & "more"'
    assert not set(re.findall('#[0-9a-f]{6}', svg)) & {figures.INK, figures.MUTED, figures.GRID, *figures.COLOURS}
    assert {'var(--run-0)', 'var(--run-1)', 'var(--ink)'} <= set(re.findall(r'var\(--[a-z0-9-]+\)', svg))
    assert {'iteration', 'loss', 'run 0', 'run 1'} <= texts_of(svg)
    ids = re.findall(r' id="([^"]+)"', svg)
    assert len(ids) == len(set(ids))


def test_curves_differ_without_colour(monkeypatch):
    curves = [[(x, x * y) for x in range(20)] for y in range(1, 4)]
    axes = drawn_axes(monkeypatch, lambda: draw(*curves))
    assert len({line.get_linestyle() for line in axes.lines}) == 3


def test_a_curve_is_broken_where_it_is_not_finite(monkeypatch):
    axes = drawn_axes(monkeypatch, lambda: draw([(1, 1.0), (2, math.inf), (3, math.nan), (4, 1.0)]))
    np.testing.assert_equal(axes.lines[0].get_ydata(), [1.0, math.nan, math.nan, 1.0])


@pytest.mark.parametrize('curve', [[], [(1, math.nan)]])
def test_nothing_logged(curve):
    assert 'nothing was logged' in texts_of(draw(curve))
    assert 'nothing was logged' not in texts_of(draw(curve, [(1, 0.5)]))


def test_names_are_not_read_as_mathematics_or_markup():
    for name in ('$\\frac{$', '<script>', '\x1b[31m', 'a name that is much too long for the legend of a figure'):
        svg = line_figure(name, [Line(name, [(1, 1.0)], 0)], name, name)
        ElementTree.fromstring(svg)
        assert '<script>' not in svg
        assert '\x1b' not in svg
    assert any(text and text.endswith('…') for text in texts_of(svg))


def test_histogram_shares_of_each_group(monkeypatch):
    few, many = np.full(5, 0.55), np.concatenate([np.full(900, 1.45), np.full(100, 99.0)])
    groups = {'few': few, 'many': many}
    axes = drawn_axes(monkeypatch, lambda: histogram('t', groups, 'x', 1.0, 'one'))
    shares = [patch.get_data().values for patch in axes.patches[::2]]
    assert [share.max() for share in shares] == pytest.approx([100, 90])
    assert [share.sum() for share in shares] == pytest.approx([100, 100])
    assert shares[1][-1] == pytest.approx(10)  # beyond the last bin


def test_histogram_of_an_empty_group():
    groups = {'a': np.array([]), 'b': np.ones(3)}
    assert {'a', 'b', 'one'} <= texts_of(histogram('t', groups, 'x', 1, 'one'))
    ElementTree.fromstring(histogram('t', {'a': np.array([])}, 'x', 1, ''))


def test_points_with_their_spread():
    points = [Point('none', 100, 30, 1, 'by itself'), Point('half < all', 50, 28, 2, 'guided')]
    figure = point_figure(points, 'x', 'y')
    drawn = figure.axes[0].containers
    assert [tuple(map(float, one.lines[0].get_xydata()[0])) for one in drawn] == [(100, 30), (50, 28)]
    bars = [one.lines[2][0].get_segments()[0][:, 1] for one in drawn]
    assert [tuple(bar) for bar in bars] == [(29, 31), (26, 30)]
    svg = plain_svg(figure)
    assert {'none', 'half < all', 'by itself', 'guided'} <= texts_of(svg)
    assert 'var(' not in svg  # stands alone
    assert plain_svg(point_figure(points, 'x', 'y')) == svg


@pytest.mark.parametrize('points', [[], [Point('lost', 1, math.nan, 0, 'x')]])
def test_points_that_cannot_be_drawn(points):
    with pytest.raises(ValueError, match='finite'):
        point_figure(points, 'x', 'y')
