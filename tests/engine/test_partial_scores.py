"""An evaluation that is killed goes on."""

import pytest
import torch
from test_reranking_loop import metrics_of
from torch import nn

from sacl_mm.engine.runner import encoded_texts, partial_scores, reranking_loop
from sacl_mm.engine.runner.partial_scores import PartialScores, fingerprint_of


def test_scores_are_taken_up_by_the_same_evaluation_only(tmp_path):
    path = tmp_path / 'new' / 'scores.pth'
    first = PartialScores(path, 'a', seconds=0)
    first.add(3, torch.tensor([1.0, 2.0]))
    assert PartialScores(path, 'a').scores[3].tolist() == [1.0, 2.0]
    assert PartialScores(path, 'b').scores == {}
    for broken in (path.read_bytes()[:40], b'hello there' * 40, bytes(4096)):  # the first: half a file
        path.write_bytes(broken)
        assert PartialScores(path, 'a').scores == {}
    torch.save(dict(fingerprint='a'), path)
    assert PartialScores(path, 'a').scores == {}
    first.finish()
    assert not path.exists()
    first.finish()


def test_nothing_is_written_before_its_time(tmp_path):
    PartialScores(tmp_path / 'scores.pth', 'a', seconds=60).add(0, torch.zeros(1))
    assert not list(tmp_path.iterdir())


def test_fingerprints_tell_weights_data_and_settings_apart():
    torch.manual_seed(0)
    layer, tensor = nn.Linear(2, 2), torch.randn(3)
    one = fingerprint_of(layer, tensor, 4)
    assert one == fingerprint_of(layer, tensor.clone(), 4)
    assert one != fingerprint_of(layer, tensor, 5)
    assert one != fingerprint_of(layer, tensor + 1, 4)
    layer.bias.data += 1e-6
    assert one != fingerprint_of(layer, tensor, 4)


def test_a_killed_reranking_scores_only_what_is_left(tmp_path, monkeypatch):
    whole = metrics_of(0, folder=tmp_path / 'whole')
    calls, match = [], encoded_texts.EncodedTexts.match

    def counted(self, *inputs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return match(self, *inputs)

    monkeypatch.setattr(encoded_texts.EncodedTexts, 'match', counted)
    monkeypatch.setattr(
        reranking_loop, 'PartialScores', lambda *options: partial_scores.PartialScores(*options, seconds=0)
    )
    with pytest.raises(KeyboardInterrupt):
        metrics_of(0, folder=tmp_path / 'killed')
    assert len(list((tmp_path / 'killed').glob('reranking_0.pth'))) == 1
    assert metrics_of(0, folder=tmp_path / 'killed') == whole
    assert len(calls) == 3 + 3  # five batches: two were kept
    assert not list((tmp_path / 'killed').glob('reranking_*'))
