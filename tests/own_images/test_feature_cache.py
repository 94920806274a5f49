"""Cached features are those of the encoders, are computed once, and what cannot be read is named."""

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from own_files import write_config, write_own_data

from sacl_mm.checkpoints.feature_store import FeatureStore
from sacl_mm.datasets import CachedFeatures
from sacl_mm.own_images.feature_cache import use_cached_features
from sacl_mm.registry import DATASETS, MODELS
from sacl_mm.user_error import UserError


@pytest.fixture
def cfg(tmp_path):
    write_own_data(tmp_path / 'mine', 12)
    write_config(tmp_path)
    return config_of(tmp_path)


def config_of(tmp_path):
    cfg = Config.fromfile(tmp_path / 'own.py')
    for split, numbers in (('train', range(8)), ('val', range(8, 12))):
        (tmp_path / f'{split}.txt').write_text(''.join(f'{number}.jpg\n' for number in numbers))
        cfg[f'{split}_dataloader'].dataset.update(
            ann_file=str(tmp_path / 'mine/captions.csv'),
            data_prefix=dict(img_path=str(tmp_path / 'mine')),
            split_file=str(tmp_path / f'{split}.txt'),
        )
    cfg.test_dataloader = cfg.val_dataloader.copy()
    return cfg


def cached(cfg):
    return CachedFeatures(cfg.train_dataloader.dataset.ann_file)


@pytest.mark.parametrize('wordless', ['', '1.jpg;"..."\n2.jpg;"?"\n'], ids=['', 'with captions without words'])
def test_model_and_scores_are_the_same_with_features_and_with_pixels(cfg, tmp_path, wordless):
    captions = tmp_path / 'mine/captions.csv'
    head, *rows = captions.read_text(encoding='utf-8').splitlines(keepends=True)
    captions.write_text(head + wordless + ''.join(rows), encoding='utf-8')
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        model = MODELS.build(cfg.model)
        model.init_weights()
        model.eval()
        pixels = DATASETS.build(cfg.train_dataloader.dataset)
        use_cached_features(cfg)
    for given, features in zip(pixels, cached(cfg), strict=True):
        (a,), (b,) = (model.predict(model.data_preprocessor(pseudo_collate([sample]))) for sample in (given, features))
        torch.testing.assert_close(a.pred_image_feature, b.pred_image_feature, atol=2e-3, rtol=0)
        torch.testing.assert_close(a.pred_text_features, b.pred_text_features, atol=2e-3, rtol=0)
        assert (a.image_id, a.text_ids, a.img_path, a.text) == (b.image_id, b.text_ids, b.img_path, b.text)


def test_what_cannot_be_read_is_left_out_of_training_and_refused_in_a_test(cfg, tmp_path):
    (tmp_path / 'mine/3.jpg').write_bytes(b'broken')
    use_cached_features(cfg)
    assert len(cached(cfg)) == 7
    assert '3.jpg' in cached(cfg).features['broken'][0]
    (tmp_path / 'mine/9.jpg').write_bytes(b'broken')
    with pytest.raises(UserError, match=r'1 images cannot be read: .*9\.jpg'):
        use_cached_features(config_of(tmp_path))


def test_an_image_that_changed_is_encoded_again(cfg, tmp_path, monkeypatch):
    use_cached_features(cfg)
    before = cached(cfg).features['image_features'].clone()
    (tmp_path / 'mine/2.jpg').write_bytes((tmp_path / 'mine/1.jpg').read_bytes())
    fresh = config_of(tmp_path)
    use_cached_features(fresh)
    after = cached(fresh).features['image_features']
    changed = ((after - before).abs() > 0.05).any(dim=1)  # of another batch size the last bits differ
    assert changed.tolist() == [number == 2 for number in range(8)]
    torch.testing.assert_close(after[2], after[1], atol=1e-2, rtol=0)


def test_towers_without_encoders_are_refused(cfg):
    cfg.model.towers.image_encoder = cfg.model.towers.text_encoder = None
    with pytest.raises(UserError, match='feature_cache is for FeatureTowers with image_encoder'):
        use_cached_features(cfg)


def test_random_encoders_are_refused(cfg):
    cfg.model.towers.image_encoder.init_cfg = None
    with pytest.raises(UserError, match='starts from random weights'):
        use_cached_features(cfg)


def test_a_store_keeps_rows_by_key_and_goes_on_where_it_was(tmp_path):
    store = FeatureStore(tmp_path / 'rows')
    store.add([5, 7], torch.tensor([[1.0], [2.0]]))
    (tmp_path / 'rows/000001.part').write_bytes(b'half a file')
    again = FeatureStore(tmp_path / 'rows')
    assert 7 in again
    assert 8 not in again
    again.add([8], torch.tensor([[3.0]]))
    assert FeatureStore(tmp_path / 'rows').rows([8, 7, 5]).flatten().tolist() == [3.0, 2.0, 1.0]
    with pytest.raises(ValueError, match='2 keys for 1 rows'):
        again.add([9, 10], torch.tensor([[3.0]]))
    (tmp_path / 'rows/5.safetensors').write_bytes(b'damaged')
    with pytest.raises(UserError, match=r'rows/5\.safetensors'):
        FeatureStore(tmp_path / 'rows')
