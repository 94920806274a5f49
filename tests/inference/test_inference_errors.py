"""Bad checkpoints, images and texts are named; no part of a model is random; the example runs."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from inferencers import WORLD, arrays, load, saved, write
from mmengine.config import Config
from tiny import PIPELINE

import sacl_mm.inference
from sacl_mm.inference import ImageTextInferencer
from sacl_mm.user_error import UserError


def test_weights_come_from_the_checkpoint_alone(tmp_path):
    config, checkpoint, _ = saved(tmp_path, 'SACLPretrain')
    cfg = Config.fromfile(config)
    cfg.model.towers.text_backbone.checkpoint = cfg.model.multimodal_backbone.checkpoint = str(tmp_path / 'no_bert')
    cfg.model.towers.vision_backbone.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'no_vit.pth'))
    cfg.model.reference_checkpoint = str(tmp_path / 'no_reference.pth')
    cfg.model.contrastive_loss.policy.alpha = 0.0
    before = cfg.pretty_text
    one = ImageTextInferencer(cfg, checkpoint, 'cpu')
    assert cfg.pretty_text == before
    # Pre-training's checkpoint has all that a dual encoder needs.
    two = ImageTextInferencer(saved(tmp_path, 'DualEncoder')[0], checkpoint, 'cpu')
    assert torch.equal(one.embed_images(arrays()), two.embed_images(arrays()))


def test_no_part_of_the_model_is_left_at_random(tmp_path):
    config, _, _ = saved(tmp_path, 'ImageTextRetrieval')
    _, checkpoint, _ = saved(tmp_path, 'DualEncoder')
    with pytest.raises(
        UserError, match=r'DualEncoder.pth.*missing: .*multimodal_backbone\..* Is it of this configuration'
    ):
        ImageTextInferencer(config, checkpoint)


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (lambda path: path.unlink(), 'does not exist'),
        (lambda path: path.write_bytes(b''), 'is empty'),
        (lambda path: path.write_bytes(b'hello there'), 'cannot be read as data'),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), 'is truncated or damaged'),
        (lambda path: torch.save(dict(state_dict=Path), path), r'holds more than tensors .*PlainCheckpointHook'),
        (lambda path: torch.save([1], path), 'holds a list, not a dict of weights'),
        (lambda path: torch.save(dict(state_dict=[1]), path), 'holds a list, not a dict of weights'),
    ],
)
def test_bad_checkpoints(tmp_path, spoil, message):
    config, checkpoint, _ = saved(tmp_path, 'DualEncoder')
    spoil(checkpoint)
    with pytest.raises(UserError, match=message):
        ImageTextInferencer(config, checkpoint)
    with pytest.raises(UserError, match="configuration '.*nowhere.py' does not exist"):
        ImageTextInferencer(tmp_path / 'nowhere.py', checkpoint)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_not_finite(tmp_path, value):
    config, checkpoint, model = saved(tmp_path, 'DualEncoder')
    state = model.state_dict() | {'towers.image_projection.bias': torch.full((16,), value)}
    torch.save(dict(state_dict=state), checkpoint)
    with pytest.raises(
        UserError, match=r"^checkpoint '.*' has NaN or infinity in 1 of .*: towers\.image_projection\.bias;"
    ):
        ImageTextInferencer(config, checkpoint, device='cpu')


@pytest.mark.parametrize('prefix', ['module.', '_orig_mod.', 'module._orig_mod.'])
@pytest.mark.parametrize('under', ['state_dict', 'model', None])
def test_other_layouts_of_checkpoints(tmp_path, prefix, under):
    config, checkpoint, model = saved(tmp_path, 'DualEncoder')
    state = {prefix + key: value for key, value in model.state_dict().items()}
    torch.save(state if under is None else {under: state}, checkpoint)
    loaded = ImageTextInferencer(config, checkpoint, device='cpu').model.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in model.state_dict().items())


def test_bad_configurations(tmp_path):
    config, checkpoint, _ = saved(tmp_path, 'DualEncoder')
    for change, message in (
        (dict(model=None), 'the configuration has no model'),
        (
            dict(model=dict(type='DualEncodr')),
            "'DualEncodr' is not in the registry of models; did you mean 'DualEncoder'",
        ),
        (dict(model=dict(towrs=1)), "an argument 'towrs', which it does not have; did you mean 'towers'"),
    ):
        cfg = Config.fromfile(config)
        cfg.merge_from_dict(change)
        with pytest.raises(UserError, match=message):
            ImageTextInferencer(cfg, checkpoint)


@pytest.mark.parametrize(
    ('dataset', 'message'),
    [
        (dict(type='CachedFeatures', ann_file='x.pt'), r'\(CachedFeatures\) has no pipeline for images'),
        *(
            (dict(WORLD, pipeline=[dict(type=kind, root='x'), *PIPELINE]), rf'stored features \({kind}\)')
            for kind in ('LoadImageGrid', 'LoadImageTokens')
        ),
        (dict(type='ShapeWorld', num_images=6, pipeline=PIPELINE), 'set test_dataloader.dataset.image_size'),
    ],
)
def test_models_that_see_no_images(tmp_path, dataset, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, 'DualEncoder', dataset=dataset)


def test_a_configuration_without_a_test_loader_is_used_as_in_validation(tmp_path):
    config, checkpoint, _ = saved(tmp_path, 'DualEncoder')
    cfg = Config.fromfile(config)
    cfg.val_dataloader = cfg.pop('test_dataloader')
    assert ImageTextInferencer(cfg, checkpoint, 'cpu').embed_texts(['a red star']).shape == (1, 16)


# ------------------------------------------------------------------------------------------------ mistakes
def test_wrong_tasks_are_named(tmp_path):
    inferencer, _ = load(tmp_path, 'DualEncoder')
    image = arrays()[0]
    for call, message in (
        (lambda: inferencer.match([image], ['a']), r'match\(\) needs .* ImageTextRetrieval .*is of type DualEncoder'),
        (lambda: inferencer.answer([image], ['a']), r'answer\(\) needs .*vqa.py'),
        (lambda: inferencer.is_true([image], [image], ['a']), r'is_true\(\) needs .*nlvr2.py'),
        (lambda: inferencer.search(['a'], [image], rerank=True), r're-ranking \(rerank=True\) needs'),
        (lambda: inferencer.search(['a'], [image], k=0), 'k must be a whole number of at least 1, got 0'),
        (lambda: inferencer.search(['a'], [image], k=1.5), 'k must be a whole number'),
        (lambda: inferencer.search(['a'], [image], candidates='2'), 'candidates must be a whole number'),
        (lambda: inferencer.embed_texts(['\ud800 red']), r'texts.0. has half a character'),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert len(inferencer.search(['a'], [image], k=3)[0]) == 1


def test_bad_images_and_texts_are_named(tmp_path):
    inferencer, _ = load(tmp_path, 'ImageTextRetrieval')
    good = arrays()[0]
    (tmp_path / 'text.png').write_text('no image')
    for images, message in (
        ([], 'images is empty'),
        ('a.png', 'images must be a list of paths.* got a str'),
        (good, 'must be a list .* got a ndarray'),
        ([good, str(tmp_path / 'text.png')], r'text.png: no image of a format that is read'),
        ([good, good[..., :2]], r'images\[1\] must be an array .* got uint8 of shape \(32, 32, 2\)'),
        ([good.astype(np.float32)], r'images\[0\] must be .* got float32'),
        ([good, None], r'images\[1\] must be a path, .* got NoneType'),
    ):
        with pytest.raises(ValueError, match=message):
            inferencer.embed_images(images)
    with pytest.raises(FileNotFoundError, match=r"images\[1\] 'nowhere.png' does not exist"):
        inferencer.embed_images([good, 'nowhere.png'])
    for texts, message in (
        ([], 'texts is empty'),
        ('a star', 'texts must be a list of texts, got a str'),
        (['a', 3], r'texts\[1\] must be a text, got 3'),
        (['a', ' '], r"texts\[1\] must be a text, got ' '"),
    ):
        with pytest.raises(ValueError, match=message):
            inferencer.embed_texts(texts)
    with pytest.raises(ValueError, match='there are 2 images, 1 texts'):
        inferencer.match([good, good], ['a'])
    with pytest.raises(ValueError, match='batch_size must be a whole number of at least 1'):
        ImageTextInferencer('x.py', 'x.pth', batch_size=0)


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    config, checkpoint, _ = saved(tmp_path, 'ImageTextRetrieval')
    names = ('configs/shape_world/retrieval.py', 'work_dirs/shape_world/retrieval/epoch_2.pth')
    for file, name in zip((config, checkpoint), names, strict=True):
        (tmp_path / name).parent.mkdir(parents=True)
        file.rename(tmp_path / name)
    for path, name in zip(write(tmp_path, arrays()[:3]), 'abc', strict=True):
        Path(path).rename(tmp_path / f'{name}.png')
    monkeypatch.chdir(tmp_path)
    exec(textwrap.dedent(sacl_mm.inference.__doc__.split('\n', 1)[1]), {})
    assert len(capsys.readouterr().out.splitlines()) == 2
