"""A file that is no checkpoint is named before anything is built."""

from pathlib import Path

import pytest
import torch

from sacl_mm.engine.checks.weights import check_checkpoint
from sacl_mm.user_error import UserError


@pytest.mark.parametrize('zipped', [True, False], ids=["today's format", 'the older one'])
def test_checkpoints_are_fine(tmp_path, zipped):
    path = tmp_path / 'checkpoint.pth'
    state = dict(x=torch.arange(3))
    for content in (state, dict(state_dict=state, meta=dict(epoch=1))):
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        assert torch.equal(check_checkpoint(path, 'checkpoint')['x'], state['x'])
    assert check_checkpoint('https://nowhere.invalid/checkpoint.pth', 'checkpoint') is None


@pytest.mark.parametrize(
    ('write', 'message'),
    [
        (lambda path: None, r"the start '.*a\.pth' does not exist"),
        (lambda path: path.write_bytes(b'hello there'), r"the start '.*a\.pth' cannot be read as data \(KeyError\)"),
        (lambda path: path.write_bytes(b''), r"the start '.*a\.pth' is empty"),
        (lambda path: path.write_bytes(bytes(4096)), 'cannot be read as data'),
        (lambda path: path.write_bytes(b'# A title'), r'cannot be read as data \(Unsupported operand 35\)'),
        (
            lambda path: torch.save(dict(state_dict=Path), path),
            r'holds more than tensors and plain values \(Unsupported global: GLOBAL pathlib\.\S+\), .* PlainCheckpointHook',
        ),
        (lambda path: torch.save([1], path), 'holds a list, not a dict of weights'),
        (lambda path: torch.save(dict(state_dict=[1]), path), 'holds a list, not a dict of weights'),
    ],
)
def test_other_files_are_not(tmp_path, write, message):
    write(tmp_path / 'a.pth')
    with pytest.raises(UserError, match=message):
        check_checkpoint(tmp_path / 'a.pth', 'the start')
