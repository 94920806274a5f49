"""Files that tools write are whole or not there, and any reader of JSON can read them."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement

from sacl_mm.engine.checks.files import PredictionFile, check_json_file, write_json
from sacl_mm.user_error import UserError


def test_predictions_as_json(tmp_path):
    path = tmp_path / 'new' / 'p.json'
    metric = PredictionFile(str(path))
    sample = BaseDataElement(metainfo=dict(img_path='a.jpg'), feats=torch.tensor([1.0, float('nan')]))
    metric.process(
        None, [sample.to_dict(), dict(rank=np.int64(3), text='größe \udcff', shape=(2, 3), type=Path('x'), none=None)]
    )
    metric.process(None, [dict(score=np.float32(0.5), right=np.bool_(True), half=torch.ones(1, dtype=torch.bfloat16))])
    assert metric.evaluate(3) == {}
    first, second, third = json.loads(path.read_text())
    assert (first['img_path'], first['feats']) == ('a.jpg', [1.0, None])
    assert second == dict(rank=3, text='größe ?', shape=[2, 3], type='x', none=None)
    assert third == dict(score=0.5, right=True, half=[1.0])
    assert [file.name for file in path.parent.iterdir()] == ['p.json']


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / 'a.json'
    check_json_file(str(path), 'it')
    assert list(tmp_path.iterdir()) == []
    path.write_text('before')

    def full(*_, **__):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr('json.dump', full)
        with pytest.raises(UserError, match=r"a.json' cannot be written: No space left on device"):
            write_json(str(path), {})
    assert path.read_text() == 'before'
    write_json(str(path), dict(a=float('inf')))
    assert json.loads(path.read_text()) == dict(a=None)
    assert [file.name for file in tmp_path.iterdir()] == ['a.json']
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
