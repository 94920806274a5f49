"""tools/cache_grids.py: what it writes, what it keeps, what it refuses."""

import importlib.util
import sys

import cv2
import numpy as np
import pytest
import torch
from command_line import ROOT, tool
from mmengine.config import Config
from mmengine.registry import DefaultScope

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.inference.cached_grids import cache_grids
from sacl_mm.registry import MODELS
from sacl_mm.user_error import UserError


def pipeline(width, height):
    resize = dict(type='mmpretrain.Resize', scale=(width, height), interpolation='bicubic')
    return f'pipeline = {[dict(type="LoadImageFromFile"), resize, dict(type="mmpretrain.PackInputs")]}'


@pytest.fixture
def images(tmp_path):
    """Five images, and a configuration with a small encoder."""
    rng = np.random.default_rng(0)
    (tmp_path / 'images').mkdir()
    for number in range(5):
        low, high = sorted(rng.integers(0, 256, 2))
        image = rng.integers(low, high + 1, (40, 60, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f'images/{number}.png'), image)
    torch.manual_seed(0)
    encoder = 'dict(depth=18, base_channels=8, stem_channels=8, style="pytorch", init_cfg=dict(checkpoint="{}"))'
    config = tmp_path / 'grids.py'
    config.write_text(
        f"_base_ = ['{ROOT}/configs/flickr8k/grids.py']\n"
        f'image_encoder = {encoder.format(tmp_path / "weights.pth")}\n'
        f'{pipeline(96, 64)}\n'
    )
    torch.save(encoder_of(config).state_dict(), tmp_path / 'weights.pth')
    return tmp_path, dict(FLICKR8K=str(tmp_path))


def encoder_of(config):
    load_mmpretrain()
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        encoder = MODELS.build(Config.fromfile(config).image_encoder)
    encoder.eval()  # returns None: mmpretrain's ResNet has its own train()
    return encoder


@pytest.fixture
def run(images, monkeypatch, capsys):
    """The tool within this process, which saves seconds a call; returns what it prints."""
    folder, environment = images
    spec = importlib.util.spec_from_file_location('cache_grids', ROOT / 'tools/cache_grids.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', ['cache_grids.py', f'{folder}/grids.py', f'{folder}/out', *arguments])
        cache_grids(module.parse_args())
        return capsys.readouterr().out

    return call


def test_grids_are_the_encoders_stages_side_by_side(images):
    folder, environment = images
    arguments = [folder / 'grids.py', folder / 'out', '--fp32', '--batch-size', '2']
    done = tool('cache_grids.py', *arguments, env=environment)
    assert '5 new grids, 0 were there already' in done.stdout
    encoder = encoder_of(folder / 'grids.py')
    encoder.load_state_dict(torch.load(folder / 'weights.pth', weights_only=True))
    mean = np.array([103.939, 116.779, 123.68])
    for number in range(5):
        image = cv2.resize(cv2.imread(str(folder / f'images/{number}.png')), (96, 64), interpolation=cv2.INTER_CUBIC)
        with torch.no_grad():
            third, fourth = encoder(torch.tensor((image - mean).transpose(2, 0, 1)[None]).float())
        grid = np.load(folder / f'out/{number}.npy')
        assert grid.shape == (2, 3, 32 + 64)
        assert grid.dtype == np.float16
        for row, column in np.ndindex(2, 3):
            block = third[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean((1, 2))
            expected = torch.cat([block, fourth[0, :, row, column]]).numpy()
            np.testing.assert_allclose(grid[row, column], expected, rtol=2e-3, atol=1e-3)
    assert not list((folder / 'out').glob('*.part'))


def test_a_vits_tokens(images, run):
    folder, _ = images
    vit = dict(
        type='TokenReducedViT',
        arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16),
        img_size=(64, 96),
        patch_size=16,
        reduction_layers=(1,),
    )
    config = (folder / 'grids.py').read_text()
    config = config[: config.index('image_encoder')]  # of the base remains what reads images
    weights = f"init_cfg=dict(type='Pretrained', checkpoint='{folder}/vit.pth')"
    (folder / 'grids.py').write_text(
        f'{config}\nimage_encoder = dict(_delete_=True, keep_rate=1.0, {weights}, **{vit!r})\n{pipeline(96, 64)}\n'
    )
    torch.manual_seed(0)
    encoder = encoder_of(folder / 'grids.py')
    torch.save(encoder.state_dict(), folder / 'vit.pth')
    run('--fp32')
    mean = np.array([103.939, 116.779, 123.68])
    image = cv2.resize(cv2.imread(str(folder / 'images/3.png')), (96, 64), interpolation=cv2.INTER_CUBIC)
    with torch.no_grad():
        (tokens,) = encoder(torch.tensor((image - mean).transpose(2, 0, 1)[None]).float())
    stored = np.load(folder / 'out/3.npy')
    assert stored.shape == (1 + 24, 8)
    assert stored.dtype == np.float16
    np.testing.assert_allclose(stored, tokens[0].numpy(), rtol=2e-3, atol=1e-3)
    keep = ['--cfg-options', 'image_encoder.keep_rate=0.5']
    with pytest.raises(UserError, match='holds grids of another configuration'):
        run('--fp32', *keep)
    for path in (folder / 'out').glob('*.npy'):
        path.unlink()
    with pytest.raises(UserError, match='how many each stands for would be lost'):
        run('--fp32', *keep)
    (folder / 'vit.pth').rename(folder / 'weights.pth')
    with pytest.raises(UserError, match=r'vit\.pth.*does not exist'):
        run('--fp32')
    (folder / 'weights.pth').rename(folder / 'vit.pth')
    run('--fp32')  # nothing of the mistake is left
    assert np.load(folder / 'out/3.npy').shape == (1 + 24, 8)
    with pytest.raises(UserError, match="did you mean 'keep_rate'"):
        run('--cfg-options', 'image_encoder.keep_rat=0.5')


def test_an_interrupted_run_goes_on(images, run):
    folder, _ = images
    run()
    first = np.load(folder / 'out/3.npy')
    (folder / 'out/3.npy').unlink()
    kept = folder / 'out/2.npy'
    np.save(kept, np.zeros(1))  # told apart from one that is made anew
    again = run()
    assert '5 images in ' in again
    assert '1 new grids, 4 were there already' in again
    assert np.load(kept).shape == (1,)
    # bfloat16, and another batch size
    np.testing.assert_allclose(np.load(folder / 'out/3.npy'), first, rtol=0.05, atol=0.05)
    assert '0 new grids, 5 were there already' in run()


def test_one_folder_holds_one_configurations_grids(images, run):
    folder, _ = images
    run()
    with (folder / 'grids.py').open('a') as file:
        file.write(pipeline(64, 64))
    with pytest.raises(UserError, match='holds grids of another configuration'):
        run()


def test_unreadable_images_are_named_and_the_others_made(images, run):
    folder, _ = images
    (folder / 'images/bad.jpg').write_bytes(b'no image')
    with pytest.raises(UserError, match=r'1 images cannot be read and have no grid: bad\.jpg'):
        run()
    assert len(list((folder / 'out').glob('*.npy'))) == 5


def test_images_of_unequal_size(images, run):
    folder, _ = images
    cv2.imwrite(str(folder / 'images/5.png'), np.zeros((64, 64, 3), np.uint8))
    with (folder / 'grids.py').open('a') as file:
        file.write('pipeline.pop(1)')
    with pytest.raises(UserError, match=r'unequal size.*4\.png \(3, 40, 60\), 5\.png \(3, 64, 64\).*--batch-size 1'):
        run()
    run('--batch-size', '1')
    assert np.load(folder / 'out/0.npy').shape == (2, 2, 96)
    assert np.load(folder / 'out/5.npy').shape == (2, 2, 96)


def test_two_images_of_one_name(images, run):
    folder, _ = images
    (folder / 'images/3.jpg').write_bytes(b'')
    with pytest.raises(UserError, match=r'would both become 3\.npy'):
        run()


def test_no_images(images, run, monkeypatch):
    folder, _ = images
    (folder / 'empty/images').mkdir(parents=True)
    for place, message in (('nowhere', 'does not exist'), ('empty', 'holds no images')):
        monkeypatch.setenv('FLICKR8K', str(folder / place))
        with pytest.raises(UserError, match=message):
            run()
