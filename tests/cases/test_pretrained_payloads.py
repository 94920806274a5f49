"""A payload in the files of a pre-trained model: none of them may run it."""

import json
from contextlib import suppress

import pytest
from payloads import code_for
from pretrained_examples import KINDS, clip
from test_payloads import PICKLES

from sacl_mm.datasets import PreparePretrainedImage, PretrainedTokenizer
from sacl_mm.models.pretrained import PretrainedTowers
from sacl_mm.user_error import UserError


@pytest.fixture
def target(tmp_path):
    """What a payload would create; asserted to be absent after the test."""
    path = tmp_path / 'created'
    yield path
    assert not path.exists(), 'the payload was run'


@pytest.mark.parametrize('write', PICKLES.values(), ids=PICKLES)
def test_a_pickle_beside_a_config_is_not_run(write, tmp_path, target):
    towers = PretrainedTowers(clip(tmp_path))
    (tmp_path / 'model.safetensors').unlink()
    write(tmp_path / 'pytorch_model.bin', target)
    with pytest.raises(UserError, match='cannot read its weights'):
        towers.init_weights()


@pytest.mark.parametrize('write', PICKLES.values(), ids=PICKLES)
def test_a_pickle_as_a_checkpoint_of_open_clip_is_not_run(write, tmp_path, target):
    pytest.importorskip('open_clip')
    towers = PretrainedTowers(KINDS['open_clip'](tmp_path))
    (tmp_path / 'open_clip_model.safetensors').unlink()
    write(tmp_path / 'open_clip_pytorch_model.bin', target)
    with pytest.raises(UserError, match='cannot read its weights'):
        towers.init_weights()


@pytest.mark.parametrize('file', ['config.json', 'tokenizer_config.json', 'preprocessor_config.json'])
@pytest.mark.parametrize('is_known', [True, False])
def test_code_that_a_folder_names_is_not_run(file, is_known, tmp_path, target):
    pretrained = clip(tmp_path)
    (tmp_path / 'own.py').write_text(code_for(target) + 'class Own:\n    pass\n')
    described = json.loads((tmp_path / file).read_text())
    names = ('AutoConfig', 'AutoModel', 'AutoImageProcessor', 'AutoTokenizer')
    described['auto_map'] = dict.fromkeys(names, 'own.Own') | dict(AutoTokenizer=['own.Own', 'own.Own'])
    if not is_known:
        for key in ('model_type', 'tokenizer_class', 'image_processor_type', 'architectures'):
            if key in described:
                described[key] = 'Own'
    (tmp_path / file).write_text(json.dumps(described))
    for load in (PretrainedTowers, PretrainedTokenizer, PreparePretrainedImage):
        with suppress(UserError):  # of names that transformers does not know
            load(pretrained)
