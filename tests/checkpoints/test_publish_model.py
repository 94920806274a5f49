"""A published folder says what the training's own checkpoint says, and nothing about the machine that it was made on."""

import pytest
import torch
from command_line import tool
from inferencers import arrays, captions, saved
from own_files import write_config, write_own_data

from sacl_mm.inference import ImageTextInferencer


@pytest.mark.parametrize('kind', ['DualEncoder', 'ImageTextRetrieval'])
def test_features_stay_the_same_but_for_rounding(tmp_path, kind):
    config, checkpoint, _ = saved(tmp_path, kind)
    tool('model_converters/publish_model.py', checkpoint, tmp_path / 'shared')
    assert sorted(path.name for path in (tmp_path / 'shared').iterdir()) == [f'{kind}.py', 'model.safetensors']
    before, after = ImageTextInferencer(config, checkpoint), ImageTextInferencer(tmp_path / 'shared')
    torch.testing.assert_close(after.embed_texts(captions()), before.embed_texts(captions()), atol=5e-3, rtol=0)
    torch.testing.assert_close(after.embed_images(arrays()), before.embed_images(arrays()), atol=5e-3, rtol=0)
    again = tool('model_converters/publish_model.py', checkpoint, tmp_path / 'shared', check=False)
    assert 'is not empty' in again.stderr


def test_of_own_data_no_names_of_files_are_left_and_a_missing_vocabulary_is_said(tmp_path):
    data, config = write_own_data(tmp_path / 'mine'), write_config(tmp_path)
    tool('train.py', config, '--data', data, '--work-dir', tmp_path / 'run')
    done = tool('model_converters/publish_model.py', tmp_path / 'run', tmp_path / 'shared', check=False)
    assert 'error: ' in done.stderr.splitlines()[-1]  # the vocabulary lies in the test's own folder
    assert 'bert' in done.stderr.splitlines()[-1]
    assert str(tmp_path) not in (tmp_path / 'shared/own.py').read_text()
