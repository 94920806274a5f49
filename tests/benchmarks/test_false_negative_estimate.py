"""The benchmark of the estimate of false negatives measures what it says, at toy size."""

import false_negative_estimate
import numpy as np

from sacl_mm.datasets import ShapeWorld
from sacl_mm.functional.lexical_coverage import LexicalCoverage


def test_precision_recall_and_share(monkeypatch, capsys):
    monkeypatch.setattr(
        'sys.argv', ['false_negative_estimate.py', '--images', '60', '--seed', '3', '--batch-size', '9']
    )
    monkeypatch.setenv('COLUMNS', '200')
    false_negative_estimate.main()
    printed = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split('│')[1:-1]] for line in printed.splitlines() if line.startswith('│')]
    world = ShapeWorld(60, seed=3)
    coverage = LexicalCoverage([world.get_data_info(image)['text'] for image in range(60)])
    others_NT = np.arange(60)[:, None] != coverage.owner_T
    true_NT = world.relevance() & others_NT
    found_NT = (coverage() >= 0.8) & others_NT
    right, others = (found_NT & true_NT).sum(), others_NT.sum()
    share = found_NT.sum() / others
    precision, recall = right / found_NT.sum(), right / true_NT.sum()
    (row,) = (row for row in rows if row[0] == '0.80')
    assert row[1:] == [f'{precision:.3f}', f'{recall:.3f}', f'{share:.2%}', f'{8 * share:.2f}']
    assert f'true: {true_NT.sum() / others:.2%} of the negatives' in printed
