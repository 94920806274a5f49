import io

import pytest
from rich.console import Console

from sacl_mm.report.score_table import html_section, rich_table
from sacl_mm.report.summary import MEASURES, better, difference, headline, where_behind


def metrics_of(sacl_change):
    """SACL is ahead on everything by `sacl_change`, or behind where it is negative."""
    infonce = {measure.key: 50.0 for measure in MEASURES}
    sacl = {m.key: 50.0 - sacl_change if m.lower_is_better else 50.0 + sacl_change for m in MEASURES}
    return dict(infonce=infonce, sacl=sacl)


def test_headline_ahead():
    text = headline(metrics_of(5))
    assert 'ahead of InfoNCE on 13 of 13 measures and behind on none' in text
    assert 'ranks all true matches better (graded mAP 55.0 % against 50.0 %)' in text
    assert text.count('higher up') == 2
    assert '(rank 45.0 against 50.0)' in text
    assert where_behind(metrics_of(5)) == ''


def test_headline_behind():
    text = headline(metrics_of(-5))
    assert 'ahead of InfoNCE on none of 13 measures and behind on 13' in text
    assert 'worse' in text
    assert text.count('further down') == 2
    assert where_behind(metrics_of(-5)).count('against') == 13


def test_headline_mixed_and_level():
    metrics = metrics_of(0)
    assert 'level on 13' in headline(metrics)
    metrics['sacl']['IR/R@1'] = 49.0
    metrics['sacl']['mAP'] = 50.04  # not told apart in the table, hence not in the sentence
    assert 'ahead of InfoNCE on none of 13 measures, level on 12 and behind on 1' in headline(metrics)
    assert where_behind(metrics) == 'SACL is behind on: R@1 text → image (49.0 % against 50.0 %).'


@pytest.mark.parametrize('change', [3, -3, 0])
def test_better_follows_the_direction_of_each_measure(change):
    expected = {3: 'sacl', -3: 'infonce', 0: None}[change]
    assert {better(measure, metrics_of(change)) for measure in MEASURES} == {expected}


def test_difference_is_that_of_the_numbers_shown():
    metrics = metrics_of(0)
    metrics['sacl']['mAP'], metrics['infonce']['mAP'] = 9.04, 9.16
    assert difference(MEASURES[0], metrics) == -0.2


def test_tables_mark_the_better_value():
    metrics = metrics_of(5)
    html = html_section(metrics, 10, 50)
    assert html.count('<td class="number best">55.0</td>') == 11
    assert html.count('<td class="number best">45.0</td>') == 2
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    console.print(rich_table(metrics, 10, 50))
    assert console.file.getvalue().count('\x1b[1;32m') == 13
    assert '10 validation pictures x 50 captions' in console.file.getvalue()
