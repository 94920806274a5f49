"""Images are prepared as by the processor of the model, and cut at random in training."""

import numpy as np
import pytest
import torch
from PIL import Image
from pretrained_examples import clip, images, siglip
from transformers import AutoImageProcessor

from sacl_mm.datasets import LoadImage, PreparePretrainedImage
from sacl_mm.user_error import UserError


@pytest.mark.parametrize('make', [clip, siglip])
def test_pixels_are_those_of_the_processor(make, tmp_path):
    pretrained, paths = make(tmp_path), images(tmp_path)
    prepare, theirs = PreparePretrainedImage(pretrained), AutoImageProcessor.from_pretrained(pretrained)
    for path in paths:
        ours = prepare(LoadImage()(dict(img_path=path)))
        expected = torch.as_tensor(theirs(images=Image.open(path), return_tensors='pt')['pixel_values'][0])
        assert ours['img'].dtype == torch.float32
        assert ours['img_shape'] == (32, 32)
        assert torch.equal(ours['img'], expected)


def test_training_cuts_little(tmp_path):
    """A ramp from 0 to 255 tells which part was kept: 90 % of the area at least, another one each time."""
    prepare = PreparePretrainedImage(siglip(tmp_path), train=True)
    ramp = np.tile(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], (200, 1, 3))
    np.random.seed(0)  # noqa: NPY002  (the generator that mmcv's transforms use)
    seen = []
    for _ in range(20):
        pixels = prepare(dict(img=ramp))['img']
        assert pixels.shape == (3, 32, 32)
        seen.append((pixels[0, 16, -1] - pixels[0, 16, 0]).item() / 2)  # SigLIP's pixels are in [-1, 1]
    assert min(seen) > 0.75
    assert len(set(seen)) > 10


def test_what_is_missing_is_named(tmp_path):
    pretrained = clip(tmp_path)
    (tmp_path / 'preprocessor_config.json').unlink()
    with pytest.raises(UserError, match="pretrained='.*': cannot read its preparation of images"):
        PreparePretrainedImage(pretrained)
