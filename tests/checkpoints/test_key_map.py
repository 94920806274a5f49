import pytest
import torch

from sacl_mm.checkpoints.key_map import Entry, KeyMap, count_layers

MAP = KeyMap(
    [
        Entry('w', 'weight', 'C C'),
        Entry('qkv', 'qkv', '3C C'),
        Entry('number', 'log', '', torch.log, torch.exp),
        Entry('output', 'weight', 'C C'),
        Entry('two', 'two', '2 E'),
    ],
    only_theirs=('queue',),
    only_ours=('reference.',),
)


def theirs(**changes) -> dict:
    weight = torch.randn(4, 4)
    state = dict(
        w=weight, output=weight.clone(), qkv=torch.randn(12, 4), number=torch.tensor(2.0), two=torch.randn(2, 7)
    )
    return {key: value for key, value in (state | changes).items() if value is not None}


def test_one_tensor_of_several_names_and_changed_values():
    state = theirs(queue=torch.zeros(3))
    ours, left_out = MAP.to_ours(state)
    assert list(ours) == ['weight', 'qkv', 'log', 'two']
    assert ours['log'].item() == pytest.approx(0.6931, abs=1e-4)
    assert left_out == ['queue']
    back, lost = MAP.to_theirs(ours | {'reference.x': torch.zeros(1)})
    assert lost == ['reference.x']
    assert sorted(back) == sorted(theirs())
    assert torch.equal(back['output'], state['w'])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(qkv=torch.zeros(11, 4)), r'qkv is \(11, 4\), not \(12, 4\)'),
        (dict(qkv=torch.zeros(15, 5)), r'qkv is \(15, 5\), not \(12, 4\)'),
        (dict(qkv=torch.zeros(12)), r'qkv is \(12,\), not \(12, 4\)'),
        (dict(w=torch.zeros(4, 5)), r'w is \(4, 5\), not \(C, C\)'),
        (dict(two=torch.zeros(3, 7)), r'two is \(3, 7\), not \(2, E\)'),
        (dict(number=torch.zeros(1)), r'number is \(1,\), not \(\)'),
        (dict(output=torch.zeros(4, 4)), 'w and output differ'),
        (dict(w=None), '1 missing: w'),
        (dict(other=torch.zeros(1)), '1 unknown: other'),
    ],
)
def test_what_does_not_fit_is_an_error_unless_allowed(changes, message):
    with pytest.raises(ValueError, match=message):
        MAP.to_ours(theirs(**changes))
    if 'output' not in changes:
        ours, left_out = MAP.to_ours(theirs(**changes), allow=list(changes))
        (changed,) = changes
        assert (changed in left_out) == (changes[changed] is not None)
        assert changed == 'w' or changed not in ours


def test_the_way_back_names_our_keys():
    ours = MAP.to_ours(theirs()).state
    with pytest.raises(ValueError, match='1 missing: weight'):
        MAP.to_theirs({key: value for key, value in ours.items() if key != 'weight'})
    with pytest.raises(ValueError, match='1 unknown: w'):
        MAP.to_theirs(ours | {'w': torch.zeros(1)})


def test_layers_are_counted():
    assert count_layers(['a.0.x', 'a.11.y', 'b.30.x', 'a.x', 'a.1x.y'], 'a.') == 12
    assert count_layers([], 'a.') == 1
