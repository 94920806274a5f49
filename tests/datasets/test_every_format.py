"""The same 200 images and captions in every format: the same samples in the same order, and the same training."""

import archive_examples
import numpy as np
import pytest
import tiny
import torch
from archive_examples import COUNT, FORMATS, NEED_PYARROW, captions, images
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from sacl_mm.datasets import EpochSampler, ImageTextPairs, LoadImage
from sacl_mm.datasets.image_files import is_file, regular_file_size
from sacl_mm.registry import DATASETS, MODELS


@pytest.fixture(scope='module', params=FORMATS)
def source(request, tmp_path_factory) -> dict:
    if request.param in NEED_PYARROW:
        pytest.importorskip('pyarrow')
    return archive_examples.write(tmp_path_factory.mktemp('format'), request.param)


def test_samples(source: dict) -> None:
    dataset = ImageTextPairs(**source, pipeline=[LoadImage()], test_mode=True)
    assert len(dataset) == COUNT
    assert [item['text'] for item in dataset] == list(captions().values())
    assert len({item['image_id'] for item in dataset}) == COUNT
    for item, content in zip(dataset, images().values(), strict=True):
        assert np.array_equal(item['img'], LoadImage()._decode(content))
        assert is_file(item['img_path'])
        assert regular_file_size(item['img_path']) == len(content)
    assert not dataset.reading_report.skipped
    assert not dataset.reading_report.repaired


class IdsByOrder:
    """Ids follow from the path, which differs between formats, and the draws of masks and hard negatives from the ids."""

    def __call__(self, results: dict) -> dict:
        number = results['sample_idx']
        return results | dict(image_id=number, text_ids=[2 * number + text for text in range(len(results['text']))])


def curve(source: dict, own_ids: bool) -> list[float]:
    """The loss of five iterations."""
    steps = [LoadImage(), *([] if own_ids else [IdsByOrder()]), dict(type='sacl_mm.SampleCaption'), *tiny.PIPELINE]
    dataset = DATASETS.build(dict(type='ImageTextPairs', pipeline=steps, **source))
    sampler = EpochSampler(dataset, shuffle=True, seed=0)
    torch.manual_seed(0)
    model = MODELS.build(contrastive() if own_ids else tiny.model_config())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for batch, _ in zip(DataLoader(dataset, 8, sampler=sampler, collate_fn=pseudo_collate), range(5), strict=False):
        loss, _ = model.parse_losses(model(**model.data_preprocessor(batch, training=True), mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def contrastive() -> dict:
    parts = ('data_preprocessor', 'towers', 'contrastive_loss')
    return dict(type='DualEncoder', **{part: tiny.model_config()[part] for part in parts})


_curves: dict[bool, list[float]] = {}


@pytest.mark.parametrize('own_ids', [True, False], ids=['contrastive', 'all objectives'])
def test_training(source: dict, own_ids: bool) -> None:
    losses = curve(source, own_ids)
    assert len(losses) == 5
    assert len(set(losses)) == 5
    assert losses == _curves.setdefault(own_ids, losses)


@pytest.mark.parametrize('method', ['fork', 'spawn'])
@pytest.mark.parametrize('format', ['WebDataset', 'Parquet with structs'])
def test_workers(format: str, method: str, tmp_path) -> None:
    if format in NEED_PYARROW:
        pytest.importorskip('pyarrow')
    dataset = ImageTextPairs(**archive_examples.write(tmp_path, format), pipeline=[LoadImage()])
    loader = DataLoader(dataset, 10, num_workers=2, multiprocessing_context=method, collate_fn=list)
    loaded = [item for batch in loader for item in batch]
    assert [item['img'].tobytes() for item in loaded] == [item['img'].tobytes() for item in dataset]
