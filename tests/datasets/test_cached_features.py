import pytest
import torch

from sacl_mm.datasets import CachedFeatures
from sacl_mm.user_error import UserError


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
    with pytest.raises(FileNotFoundError, match=r'feature_cache makes them'):
        CachedFeatures(str(tmp_path / 'none.pt'))
    with pytest.raises(ValueError, match="per must be 'image' or 'pair'"):
        CachedFeatures(path, per='text')
    old = torch.load(path)
    del old['texts']
    torch.save(old, tmp_path / 'old.pt')
    with pytest.raises(ValueError, match='is no file of features'):
        CachedFeatures(str(tmp_path / 'old.pt'))
    torch.save(dict(state_dict={}), tmp_path / 'other.pt')
    with pytest.raises(ValueError, match='is no file of features'):
        CachedFeatures(str(tmp_path / 'other.pt'))


def without(features: dict, key: str) -> dict:
    return {name: value for name, value in features.items() if name != key}


def with_nan(features: dict, key: str) -> dict:
    value = features[key].clone()
    value[1, 0] = torch.nan
    return features | {key: value}


WRONG = {
    'no images': (lambda x: without(x, 'image_features'), 'it must hold image_features'),
    'no counts': (lambda x: without(x, 'texts_per_image'), 'it must hold .*texts_per_image'),
    'a list': (lambda x: [x], 'is no file of features'),
    'a tensor': (lambda x: x['image_features'], 'is no file of features'),
    'counts that are fractions': (lambda x: x | dict(texts_per_image=torch.ones(3)), 'a vector of counts'),
    'negative counts': (lambda x: x | dict(texts_per_image=torch.tensor([7, -2, 1])), 'a vector of counts'),
    'counts as a list': (lambda x: x | dict(texts_per_image=[2, 1, 3]), 'a vector of counts'),
    'counts of other texts': (
        lambda x: x | dict(texts_per_image=torch.tensor([2, 1, 2])),
        'text_features has 6 rows, texts_per_image says 5',
    ),
    'an image too few': (
        lambda x: x | dict(image_features=x['image_features'][:2]),
        'image_features has 2 rows, texts_per_image says 3',
    ),
    'identifiers too few': (lambda x: x | dict(text_ids=x['text_ids'][:4]), 'text_ids has 4 rows, .* says 6'),
    'names too few': (lambda x: x | dict(img_paths=['a.jpg']), 'img_paths has 1 rows, .* says 3'),
    'captions too many': (lambda x: x | dict(texts=list('uvwxyzz')), 'texts has 7 rows, .* says 6'),
    'captions as a string': (lambda x: x | dict(texts='uvwxyz'), 'texts must be a list'),
    'features as a list': (
        lambda x: x | dict(text_features=x['text_features'].tolist()),
        'text_features must be a tensor',
    ),
    'features that are a vector': (
        lambda x: x | dict(image_features=torch.zeros(3)),
        'must be a tensor of 2 dimensions',
    ),
    'NaN of an image': (lambda x: with_nan(x, 'image_features'), 'row 1 of image_features has NaN or infinity'),
    'NaN of a text': (lambda x: with_nan(x, 'text_features'), 'row 1 of text_features has NaN or infinity'),
}


@pytest.mark.parametrize(('change', 'message'), WRONG.values(), ids=WRONG)
def test_files_that_are_not_what_they_should_be(path, change, message):
    torch.save(change(torch.load(path)), path)
    with pytest.raises(UserError, match=rf"^'.*train\.pt'.*{message}"):
        CachedFeatures(path)
