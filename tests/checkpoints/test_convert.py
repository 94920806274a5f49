"""The command lines of what converts checkpoints, and of what compares the converted with ALBEF's."""

import runpy
from pathlib import Path

import check_albef_parity
import pytest
import torch
from albef_examples import albef_state, our_model
from tiny import build

from sacl_mm.user_error import UserError

TOOL = Path(__file__).parents[2] / 'tools' / 'model_converters' / 'convert.py'


@pytest.fixture
def run(monkeypatch):
    def call(*arguments) -> None:
        monkeypatch.setattr('sys.argv', [str(TOOL), *map(str, arguments)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return call


def test_there_and_back(run, tmp_path, capsys):
    state = albef_state('retrieval')
    torch.save(dict(model=state, epoch=4), tmp_path / 'albef.pth')
    run('from-albef', tmp_path / 'albef.pth', tmp_path / 'new' / 'ours.pth')
    ours = torch.load(tmp_path / 'new' / 'ours.pth', weights_only=True)['state_dict']
    our_model('retrieval').load_state_dict(ours, strict=True)
    printed = capsys.readouterr().out
    assert f'ours.pth: {len(ours)} tensors' in printed
    assert 'text_encoder (1)' in printed
    assert 'image_queue (1), text_queue (1), queue_ptr (1), idx_queue (1)' in printed
    run('to-albef', tmp_path / 'new' / 'ours.pth', tmp_path / 'back.pth')
    back = torch.load(tmp_path / 'back.pth', weights_only=True)['model']
    assert torch.equal(back['visual_encoder_m.norm.bias'], state['visual_encoder_m.norm.bias'])
    assert 'left out' not in capsys.readouterr().out


def test_mistakes_end_it_with_one_line(run, tmp_path):
    state = albef_state('retrieval') | dict(strange=torch.zeros(1))
    torch.save(state, tmp_path / 'albef.pth')
    source, target = tmp_path / 'albef.pth', tmp_path / 'ours.pth'
    for arguments, message in (
        (('from-albef', tmp_path / 'none.pth', target), "none.pth' does not exist"),
        (('from-albef', source, target), '1 unknown: strange'),
        (('from-clip', source, target), 'missing: visual.conv1.weight'),
        (('from-albef', source, source), 'exists already'),
    ):
        with pytest.raises(SystemExit) as end:
            run(*arguments)
        assert str(end.value).startswith('error: ')
        assert message in str(end.value)
        assert '\n' not in str(end.value)
    assert not target.exists()
    run('from-albef', source, target, '--allow', 'strange')
    assert target.exists()


def test_the_comparison_with_albef_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr('sys.argv', ['check_albef_parity.py', str(tmp_path)])
    with pytest.raises(UserError, match=r'is no copy of github.com/salesforce/ALBEF: it has no models/xbert.py'):
        check_albef_parity.main()


def test_from_before_parts_were_renamed(run, tmp_path):
    policy = dict(type='SimilarityRegulation', alpha=(1.0, 0.0))
    model = build(
        contrastive_loss=dict(type='SACLContrastiveLoss', policy=policy),
        momentum=dict(mlm_distillation=0.4),
        reference_checkpoint='not read here',
    )
    names = {'towers.vision_backbone.': 'towers.backbone.', 'towers.text_backbone.': 'towers.text_encoder.'}
    names['multimodal_backbone.'] = 'fusion.'
    earlier = {}
    for key, value in model.state_dict().items():
        for new, old in names.items():
            key = key.replace(new, old)
        earlier[key] = value
    assert {'teacher.fusion.layers.0.expand.bias', 'reference.towers.backbone.cls_token'} <= earlier.keys()
    torch.save(dict(state_dict=earlier), tmp_path / 'earlier.pth')
    with pytest.raises(UserError, match='from before parts were renamed: convert it with .*convert.py from-earlier'):
        model.load_state_dict(earlier)
    run('from-earlier', tmp_path / 'earlier.pth', tmp_path / 'now.pth')
    now = torch.load(tmp_path / 'now.pth', weights_only=True)['state_dict']
    assert now.keys() == model.state_dict().keys()
    model.load_state_dict(now)
    with pytest.raises(SystemExit, match='needs no conversion'):
        run('from-earlier', tmp_path / 'now.pth', tmp_path / 'again.pth')
