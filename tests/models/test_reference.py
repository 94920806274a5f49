"""The frozen reference model reads its towers from a checkpoint, or says why not."""

import pytest
import torch
from tiny import build

from sacl_mm.models.reference import FrozenReference
from sacl_mm.user_error import UserError


def test_towers_come_from_the_checkpoint_of_a_model(tmp_path):
    trained, path = build(seed=5), str(tmp_path / 'reference.pth')
    state = trained.state_dict()
    compiled = {f'module._orig_mod.{key}': value for key, value in state.items()}
    for checkpoint in (dict(state_dict=state), dict(model=state), state, dict(state_dict=compiled)):
        torch.save(checkpoint, path)
        reference = FrozenReference(build(seed=1).towers, path)
        reference.load()
        for key, value in trained.towers.state_dict().items():
            assert torch.equal(reference.towers.state_dict()[key], value)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    state = build().state_dict()
    state['towers.image_projection.weight'].fill_(torch.nan)
    torch.save(dict(state_dict=state), tmp_path / 'reference.pth')
    reference = FrozenReference(build().towers, str(tmp_path / 'reference.pth'))
    with pytest.raises(
        UserError, match=r"^reference checkpoint '.*' has NaN .* 1 of \d+ tensors: image_projection\.weight;"
    ):
        reference.load()


@pytest.mark.parametrize(
    ('write', 'message'),
    [
        (lambda path: None, r"reference\.pth' does not exist: train it first"),
        (lambda path: path.write_text('hello there'), r"reference\.pth' cannot be read as data"),
        (lambda path: torch.save([1], path), r"^reference checkpoint '.*reference\.pth' holds a list"),
        (lambda path: torch.save(dict(state_dict={'neck.weight': torch.zeros(1)}), path), 'holds no towers'),
        (
            lambda path: torch.save(dict(state_dict={'towers.neck.weight': torch.zeros(1)}), path),
            r'\d+ weights missing, the first is \w+\.',
        ),
    ],
)
def test_what_is_none_is_named(tmp_path, write, message):
    path = tmp_path / 'reference.pth'
    write(path)
    with pytest.raises(UserError, match=message):
        FrozenReference(build().towers, str(path)).load()
