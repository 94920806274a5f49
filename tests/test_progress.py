"""In a log there is a line now and then, and all items come through."""

from sacl_mm import progress as module


def test_lines_in_a_log(monkeypatch, capsys):
    clock = iter(range(0, 1000, 15))
    monkeypatch.setattr(module.time, 'monotonic', lambda: next(clock))
    assert list(module.progress('abcdef', 6, 'letters')) == list('abcdef')
    assert capsys.readouterr().out.splitlines() == [f'letters: {number} of 6' for number in (1, 3, 5)]
