import pytest
import torch

from sacl_mm.datasets import CachedFeatures


@pytest.fixture
def path(tmp_path):
    """Three images with 2, 1 and 3 texts; every number tells where it belongs."""
    counts = torch.tensor([2, 1, 3])
    features = dict(
        image_features=torch.arange(3)[:, None].expand(3, 4).half(),
        text_features=torch.arange(6)[:, None].expand(6, 2).half(),
        image_ids=torch.tensor([10, 11, 12]),
        text_ids=torch.arange(100, 106),
        texts_per_image=counts,
        img_paths=['a.jpg', 'b.jpg', 'c.jpg'],
        texts=list('uvwxyz'),
    )
    torch.save(features, tmp_path / 'train.pt')
    return str(tmp_path / 'train.pt')


def test_per_image(path):
    dataset = CachedFeatures(path)
    assert len(dataset) == 3
    sample = dataset[2]['data_samples']
    assert dataset[2]['inputs'].tolist() == [2.0] * 4
    assert sample.image_id == 12
    assert sample.text_ids == [103, 104, 105]
    assert sample.text_inputs[:, 0].tolist() == [3.0, 4.0, 5.0]


def test_per_pair(path):
    dataset = CachedFeatures(path, per='pair')
    assert [dataset[i]['data_samples'].image_id for i in range(6)] == [10, 10, 11, 12, 12, 12]
    assert [dataset[i]['data_samples'].text_ids for i in range(6)] == [[100 + i] for i in range(6)]
    assert [dataset[i]['inputs'][0].item() for i in range(6)] == [0, 0, 1, 2, 2, 2]


def test_names_and_words_are_there_for_measures(path):
    sample = CachedFeatures(path)[2]['data_samples']
    assert (sample.img_path, sample.text) == ('c.jpg', ['x', 'y', 'z'])


def test_mistakes_are_named(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'make them with tools/cache_features\.py'):
        CachedFeatures(str(tmp_path / 'none.pt'))
    with pytest.raises(ValueError, match="per must be 'image' or 'pair'"):
        CachedFeatures(path, per='text')
    old = torch.load(path)
    del old['texts']
    torch.save(old, tmp_path / 'old.pt')
    with pytest.raises(ValueError, match='as tools/cache_features.py makes it now'):
        CachedFeatures(str(tmp_path / 'old.pt'))
    torch.save(dict(state_dict={}), tmp_path / 'other.pt')
    with pytest.raises(ValueError, match='is no file of features'):
        CachedFeatures(str(tmp_path / 'other.pt'))
