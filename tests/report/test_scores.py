import io

import pytest
from rich.console import Console

from sacl_mm.report.scores import headline, rich_table, score_table

RUNS = ['InfoNCE', 'SACL']
# As RetrievalMetric logs them.
MEASURES = [
    *(f'retrieval/{d}/{name}' for d in ('TR', 'IR') for name in ('R@1', 'R@5', 'mAP', 'P@1', 'false_negative_rank')),
    *('retrieval/R@mean', 'retrieval/mAP'),
]


def runs(sacl_change, **others):
    """SACL is ahead on everything by `sacl_change`, or behind where it is negative."""
    infonce = dict.fromkeys(MEASURES, 50.0)
    sacl = {m: 50.0 - sacl_change if m.endswith('rank') else 50.0 + sacl_change for m in MEASURES}
    return [infonce, sacl | {f'retrieval/{name}': value for name, value in others.items()}]


def test_order_and_labels():
    table = score_table(runs(0))
    assert [f'{score.label} {score.direction}'.strip() for score in table] == [
        'graded mAP, % both directions',
        'graded mAP, % image → text',
        'graded mAP, % text → image',
        'P@1, % image → text',
        'P@1, % text → image',
        'mean rank of known false negatives (lower is better) image → text',
        'mean rank of known false negatives (lower is better) text → image',
        'mean of all R@k, %',
        'R@1, % image → text',
        'R@1, % text → image',
        'R@5, % image → text',
        'R@5, % text → image',
    ]


def test_other_tasks_and_several_evaluators():
    table = score_table(
        [{'vqa/accuracy': 70.0, 'vqa/accuracy/number': 40.0, 'nlvr2/accuracy': 51.0}, {'vqa/accuracy': 71.0}]
    )
    assert [(score.name, score.shown) for score in table] == [
        ('vqa: accuracy', ['70.0', '71.0']),
        ('vqa: accuracy/number', ['40.0', '-']),
        ('nlvr2: accuracy', ['51.0', '-']),
    ]
    assert [score.best for score in table] == [1, None, None]
    assert [score.difference for score in table] == ['+1.0', '-', '-']


def test_headline_ahead():
    table = score_table(runs(5))
    text = headline(RUNS, table)
    assert (
        'SACL is ahead of InfoNCE on 12 of 12 measures and behind on none: graded mAP both directions 55.0 against'
        in text
    )
    assert text.count('mean rank of known false negatives') == 2
    assert text.count('45.0 against 50.0') == 2
    assert 'It is behind on' not in text


def test_headline_behind():
    text = headline(RUNS, score_table(runs(-5)))
    assert 'ahead of InfoNCE on none of 12 measures and behind on 12' in text
    assert text.partition('It is behind on')[2].count('against') == 12


def test_headline_mixed_and_level():
    assert 'level on 12' in headline(RUNS, score_table(runs(0)))
    # 50.04 is not told apart in the table, hence not in the sentence.
    table = score_table(runs(0, **{'IR/R@1': 49.0, 'mAP': 50.04}))
    text = headline(RUNS, table)
    assert 'ahead of InfoNCE on none of 12 measures, level on 11 and behind on 1' in text
    assert text.endswith('. It is behind on: R@1 text → image 49.0 against 50.0.')


@pytest.mark.parametrize(('change', 'best'), [(3, 1), (-3, 0), (0, None)])
def test_best_follows_the_direction_of_each_measure(change, best):
    assert {score.best for score in score_table(runs(change))} == {best}


def test_best_of_three_and_of_one():
    three = [{'a/b': 1.0}, {'a/b': 3.0}, {'a/b': 2.0}]
    assert score_table(three)[0].best == 1
    assert score_table([*three, {'a/b': 3.04}])[0].best is None
    assert score_table(three[:1])[0].best is None
    assert score_table([{'a/b': float('nan')}, *three])[0].best == 2
    assert score_table([{'a/b': float('nan')}, {'a/b': 1.0}])[0].best is None


def test_difference_is_that_of_the_numbers_shown():
    [score, *_] = score_table([{'retrieval/mAP': 9.16}, {'retrieval/mAP': 9.04}])
    assert score.difference == '-0.2'
    [score, *_] = score_table([{'retrieval/mAP': 9.04}, {'retrieval/mAP': 9.01}])
    assert score.difference == '0.0'


def test_the_terminal_table_marks_the_best_value():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    console.print(rich_table(RUNS, score_table(runs(5))))
    assert console.file.getvalue().count('\x1b[1;32m') == 12
    assert console.file.getvalue().count('+5.0') == 10
