"""The benchmark scripts run, at toy size, and measure what they say."""

import multiprocessing
import re
import subprocess
import sys
import time
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import measure
import pretraining_step
import pytest
import torch
from command_line import anew
from mmengine.utils import digit_version

from sacl_mm.engine.launch import run_tool

TOOLS = Path(__file__).parents[2] / 'tools' / 'benchmarks'
CPU = torch.device('cpu')


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a benchmark in this process: what it prints."""

    def call(name, *arguments):
        monkeypatch.setattr('sys.argv', [f'{name}.py', *map(str, arguments)])
        run_tool(import_module(name).main)
        return capsys.readouterr().out

    return call


def test_sides_take_turns_and_the_first_turn_does_not_count():
    turns = []
    sides = dict(
        slow=lambda: turns.append('slow') or time.sleep(0.2 if len(turns) == 1 else 0.03),
        fast=lambda: turns.append('fast'),
    )
    times = measure.alternate(sides, repeats=3, device=CPU)
    assert turns == ['slow', 'fast'] * 4
    assert times['fast'][0] < 0.02 < times['slow'][0] < 0.2


@pytest.mark.skipif(not Path('/proc/self/clear_refs').exists(), reason='measures memory as Linux tells it')
def test_peak_memory_is_that_of_the_run():
    # In a process of its own: in this one, freed memory may be kept by now, and used again.
    code = """
import measure, torch
print(measure.peak_memory(lambda: torch.ones(2**24), torch.device("cpu")))
print(measure.peak_memory(lambda: None, torch.device("cpu")))
"""
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=TOOLS, capture_output=True, text=True, timeout=300, check=True
    )
    large, nothing = map(float, done.stdout.split())
    assert 60 < large < 90  # 64 MiB
    assert nothing < 5


def test_rate_of_matrix_products():
    assert measure.matrix_product_rate(CPU, size=256) > 0.1


def test_loss(run):
    out = run('loss', '--batch', '128', '--repeats', '1', '--alone', '--device', 'cpu')
    assert 'SACL, self-regulated' in out
    assert 'InfoNCE' in out
    assert '128 pairs of 256 features' in out


def test_pretraining_step(run, monkeypatch):
    # Forked, the sides have everything imported already.
    get_context = multiprocessing.get_context
    monkeypatch.setattr(multiprocessing, 'get_context', lambda _: get_context('fork'))
    toy = ['--batch', '2', '--image-size', '32', '--length', '6', '--repeats', '1', '--device', 'cpu']
    out = run('pretraining_step', *toy, '--sides', 'SACL light', '--amp')
    assert 'as fast as SACL light' in out
    assert '1.00 x' in out
    assert 'GFLOP/s in bfloat16 products' in ' '.join(out.split())


def test_what_a_side_in_float32_answers(monkeypatch):
    """In this process, of a layer in place of the model."""

    def side(args, device):
        layer = torch.nn.Linear(4, 5)
        return pretraining_step.optimised(layer, lambda: layer(torch.ones(2, 4)).sum(), args)

    monkeypatch.setitem(pretraining_step.OURS, 'SACL light', side)
    args = Namespace(device='cpu', amp=False)
    questions, answers = iter(['count', 'step', 'peak', 'stop']), []
    pipe = SimpleNamespace(recv=lambda: next(questions), send=answers.append)
    pretraining_step.serve(pipe, 'SACL light', args, torch.get_num_threads())
    operations, seconds, peak = answers
    assert pretraining_step.precision('SACL light', args) is torch.float32
    assert operations == 2 * 2 * (2 * 4 * 5)  # forward, and the weight's gradient
    assert 0 < seconds < 10
    assert peak > 100


def test_sides_that_cannot_run(run, capsys):
    with pytest.raises(SystemExit) as end:
        run('pretraining_step', '--sides', 'albef', 'albef, bfloat16')
    assert end.value.code == 2
    assert 'none can run: ALBEF needs --albef FOLDER' in capsys.readouterr().err


def test_a_folder_that_is_not_albef(tmp_path):
    """As a user calls it: the one script that is run as one here."""
    done = anew(sys.executable, TOOLS / 'pretraining_step.py', '--albef', tmp_path, check=False)
    assert done.returncode == 1
    assert 'is no copy of github.com/salesforce/ALBEF' in done.stderr
    assert 'Traceback' not in done.stderr


def test_token_reduction(run):
    out = run('token_reduction', '--arch', 'deit-tiny', '--image-size', '64', '--batch', '1', '--repeats', '1')
    shares = re.findall(r'(\d+)% ', out)
    assert shares[0] == '100'
    assert [int(share) for share in shares[1:4]] == sorted((int(share) for share in shares[1:4]), reverse=True)


def a_trained_run(folder, keep_rate, score, guide='text'):
    """A work directory as a training leaves it, as far as it is read."""
    logs = folder / '20260101_000000' / 'vis_data'
    logs.mkdir(parents=True)
    (logs / 'scalars.json').write_text(f'{{"retrieval/mAP": {score}, "step": 1}}\n')
    arch = dict(embed_dims=16, num_layers=4, num_heads=2, feedforward_channels=16)
    vit = dict(
        type='TokenReducedViT',
        arch=arch,
        img_size=32,
        patch_size=8,
        guide=guide,
        keep_rate=keep_rate,
        reduction_layers=(2,),
    )
    (folder / 'config.py').write_text(f'model = dict(towers=dict(backbone={vit}))\n')
    return folder


def test_speed_and_quality(run, tmp_path):
    whole = [a_trained_run(tmp_path / f'whole{seed}', 1.0, score) for seed, score in enumerate((30, 32))]
    half = a_trained_run(tmp_path / 'half', 0.5, 27.9)
    chart = tmp_path / 'charts' / 'chart.svg'
    merged = a_trained_run(tmp_path / 'merged', 0.5, 29.5, guide='similarity')
    runs = [f'all={whole[0]},{whole[1]}', f'half={half}', f'merged={merged}']
    out = run('speed_quality', *runs, '--metric', 'retrieval/mAP', '--svg', str(chart))
    assert '31.00 ± 1.41' in out
    assert '27.90 ±' not in out  # one seed has no spread
    assert '-10.0%' in out
    shares = [int(share) for share in re.findall(r'(\d+) %', out)]
    assert shares[0] == 100
    assert 40 < shares[1] < 90
    for form in ('all tokens', 'guided by the text', 'alike tokens merged'):
        assert chart.read_text().count(form) == 1, form
    assert 'guided by the image' not in chart.read_text()


@pytest.mark.parametrize(
    ('runs', 'says'),
    [('all', 'NAME=DIR'), ('all=nowhere', "'nowhere' does not exist"), ('all={run}', 'no vqa/accuracy')],
)
def test_runs_that_do_not_tell(run, tmp_path, runs, says):
    runs = runs.format(run=a_trained_run(tmp_path / 'run', 0.5, 1))
    with pytest.raises(SystemExit, match=f'error: .*{says}'):
        run('speed_quality', runs, '--metric', 'vqa/accuracy')


@pytest.mark.skipif(not Path('/proc/self/clear_refs').exists(), reason='measures memory as Linux tells it')
@pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.7'), reason='needs PyTorch 2.7')
def test_sharding(run):
    out = run('sharding', '--width', '64', '--queue', '64', '--repeats', '1')
    assert 'DistributedDataParallel' in out
    assert 'shard=True' in out


SMALL = ['--small', '--images', '30', '--texts', '90', '--image-size', '48', '--repeats', '1', '--device', 'cpu']


def test_reranking(run):
    out = run('reranking', *SMALL, '--k', '6')
    assert "mmpretrain's BlipRetrieval" in out
    assert 'EXTRAPOLATED' in out
    assert float(out.rsplit(maxsplit=1)[1]) < 1e-4  # the largest difference of scores


def test_reranking_has_no_more_candidates_than_images(run):
    with pytest.raises(SystemExit, match='error: --queries is at least 1'):
        run('reranking', *SMALL, '--k', '31')
