"""A model is found by its folder or its checkpoint alone, and is the one that the two together give."""

import pytest
import torch
from inferencers import captions, saved
from mmengine.config import Config
from safetensors.torch import save_file

from sacl_mm.inference import ImageTextInferencer
from sacl_mm.inference.model_folder import find_model
from sacl_mm.user_error import UserError


@pytest.fixture
def folder(tmp_path):
    """A work directory with two checkpoints, as a training leaves it."""
    folder = tmp_path / 'run'
    folder.mkdir()
    config, _, model = saved(tmp_path, 'DualEncoder')
    config.rename(folder / 'small.py')
    torch.save(dict(state_dict=model.state_dict()), folder / 'epoch_1.pth')
    torch.save(dict(state_dict={name: 0 * value for name, value in model.state_dict().items()}), folder / 'epoch_2.pth')
    (folder / 'last_checkpoint').write_text('/somewhere/else/epoch_1.pth')
    return folder


def test_a_folder_or_a_checkpoint_is_enough(folder):
    expected = ImageTextInferencer(folder / 'small.py', folder / 'epoch_1.pth').embed_texts(captions())
    for path in (folder, str(folder), folder / 'epoch_1.pth'):
        assert torch.equal(ImageTextInferencer(path).embed_texts(captions()), expected)


def test_the_best_checkpoint_goes_before_the_last_and_a_shared_one_before_both(folder):
    assert find_model(folder)[1] == folder / 'epoch_1.pth'
    (folder / 'epoch_2.pth').rename(folder / 'best_retrieval_mean_recall_epoch_2.pth')
    assert find_model(folder)[1].name == 'best_retrieval_mean_recall_epoch_2.pth'
    save_file(dict(weight=torch.ones(2)), folder / 'model.safetensors')
    assert find_model(folder)[1].name == 'model.safetensors'


def test_what_is_missing_or_unclear_is_said(folder, tmp_path):
    for path, message in (
        (tmp_path / 'nothing', 'does not exist'),
        (folder / 'small.py', 'is a configuration: give its work dir'),
        (tmp_path, r'should have one configuration \(\*.py\), it has 0'),
    ):
        with pytest.raises(UserError, match=message):
            find_model(path)
    (folder / 'last_checkpoint').unlink()
    with pytest.raises(UserError, match='has no checkpoint'):
        find_model(folder)
    for name in ('a', 'b'):
        save_file(dict(weight=torch.ones(2)), folder / f'{name}.safetensors')
    with pytest.raises(UserError, match=r'2 \*.safetensors'):
        find_model(folder)
    with pytest.raises(ValueError, match='names no weights'):
        ImageTextInferencer(Config(dict(model=dict(type='DualEncoder'))))
