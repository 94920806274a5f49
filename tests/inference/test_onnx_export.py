"""The exported encoders give the model's features, for any number of images and of texts, of any length."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from command_line import in_process, tool
from inferencers import arrays, captions, saved
from own_files import write_config, write_own_data
from pretrained_examples import clip
from tiny import MERGING, TOWERS
from tokenizers import Tokenizer

from sacl_mm.inference import ImageTextInferencer
from sacl_mm.inference.onnx_export import export_onnx
from sacl_mm.models.pretrained import PretrainedTowers
from sacl_mm.user_error import UserError

pytest.importorskip('onnxscript')
onnxruntime = pytest.importorskip('onnxruntime')


def model_folder(folder, kind, backbone):
    config, checkpoint, _ = saved(folder, kind, backbone=backbone)
    (folder / 'run').mkdir()
    config.rename(folder / 'run/small.py')
    checkpoint.rename(folder / 'run/best_epoch_1.pth')
    return folder / 'run'


def prepared_images(facts, images):
    """As preprocessing.json says."""
    height, width = facts['size']
    assert facts['channels'] == 'RGB'
    rgb = np.stack([cv2.cvtColor(image, cv2.COLOR_BGR2RGB) for image in images]).astype(np.float32)
    assert rgb.shape[1:3] == (height, width)
    return ((rgb - np.float32(facts['mean'])) / np.float32(facts['std'])).transpose(0, 3, 1, 2)


def prepared_texts(facts, texts, folder):
    tokenizer = Tokenizer.from_file(str(folder / facts['tokenizer']))
    pieces = [tokenizer.encode(text).ids[: facts['max_length'] - 2] for text in texts]
    rows = [[facts['cls_id'], *row, facts['sep_id']] for row in pieces]
    longest = max(map(len, rows))
    ids = np.array([row + [facts['pad_id']] * (longest - len(row)) for row in rows], np.int64)
    return ids, np.array([[place < len(row) for place in range(longest)] for row in rows])


def test_features_are_the_models(tmp_path, monkeypatch):
    run, out = model_folder(tmp_path, 'DualEncoder', TOWERS['vision_backbone']), tmp_path / 'onnx'
    in_process(monkeypatch, 'export_onnx', run, '--out', out)
    facts = json.loads((out / 'preprocessing.json').read_text())
    inferencer = ImageTextInferencer(run, device='cpu')
    image, text = (onnxruntime.InferenceSession(out / f'{name}.onnx') for name in ('image', 'text'))
    for count in (1, 2, 5):
        images, texts = arrays()[:count], captions()[:count]
        (found,) = image.run(None, dict(images=prepared_images(facts['image'], images)))
        np.testing.assert_allclose(found, inferencer.embed_images(images), atol=1e-4)
        ids, mask = prepared_texts(facts['text'], texts, out)
        (found,) = text.run(None, dict(token_ids=ids, mask=mask))
        np.testing.assert_allclose(found, inferencer.embed_texts(texts), atol=1e-4)
    assert found.shape[1] == facts['feature']['size']


@pytest.mark.parametrize(
    ('kind', 'backbone', 'message'),
    [
        ('VisualQuestionAnswering', TOWERS['vision_backbone'], 'the model has no features to compare'),
        ('DualEncoder', MERGING, 'merges tokens cannot be exported'),
    ],
)
def test_what_cannot_be_exported_is_said(kind, backbone, message, tmp_path, monkeypatch):
    run = model_folder(tmp_path, kind, backbone)
    with pytest.raises(SystemExit, match=message):
        in_process(monkeypatch, 'export_onnx', run, '--out', tmp_path)


def test_a_model_of_own_images_is_exported(tmp_path, monkeypatch):
    data, config = write_own_data(tmp_path / 'mine'), write_config(tmp_path)
    tool('train.py', config, '--data', data, '--work-dir', tmp_path / 'run')
    in_process(monkeypatch, 'export_onnx', tmp_path / 'run', '--out', tmp_path / 'onnx')
    inferencer = ImageTextInferencer(tmp_path / 'run', device='cpu')
    images = [cv2.imread(str(tmp_path / f'mine/{number}.jpg')) for number in range(3)]
    pixels = inferencer.model.data_preprocessor(inferencer.prepare(images, [['dark']] * 3), False)['images']
    session = onnxruntime.InferenceSession(tmp_path / 'onnx/image.onnx')
    (found,) = session.run(None, dict(images=pixels.cpu().numpy()))
    np.testing.assert_allclose(found, inferencer.embed_images(images), atol=1e-4)


def test_models_of_other_libraries_are_left_to_these(tmp_path):
    model = SimpleNamespace(model=SimpleNamespace(towers=PretrainedTowers(clip(tmp_path))))
    with pytest.raises(UserError, match=r'convert\.py to-pretrained'):
        export_onnx(model, tmp_path / 'onnx')
