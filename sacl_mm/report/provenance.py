"""Where the numbers come from: configurations, seeds, commands, versions, machine, commit."""

import os
import platform
import subprocess
from html import escape
from pathlib import Path

import mmengine
import torch

import sacl_mm
from sacl_mm.report.evaluated_run import EvaluatedRun
from sacl_mm.report.summary import RUNS
from sacl_mm.user_error import printable


def provenance(runs: dict[str, EvaluatedRun], trainings: dict[str, dict]) -> dict:
    """Plain data, for `results.json`. `trainings`: run -> dict(command, seconds), where that is known."""
    return dict(
        runs={name: _of_run(run, trainings.get(name, {})) for name, run in runs.items()},
        versions=dict(
            sacl_mm=sacl_mm.__version__,
            python=platform.python_version(),
            torch=torch.__version__,
            mmengine=mmengine.__version__,
        ),
        machine=dict(
            system=platform.system(), processor=platform.machine(), cpus=os.cpu_count(), threads=torch.get_num_threads()
        ),
        commit=_commit(),
    )


def html_section(facts: dict) -> str:
    rows = []
    for name, label in RUNS.items():
        run = facts['runs'][name]
        seconds = f'{run["seconds"]:,.0f} s' if run['seconds'] is not None else 'time not noted'
        rows.append((label, f'{run["epochs"]} epochs, seed {run["seed"]}, {seconds}; {run["checkpoint"]}'))
    rows.append(('versions', ', '.join(f'{name} {version}' for name, version in facts['versions'].items())))
    machine = facts['machine']
    rows.append(('machine', f'{machine["system"]} {machine["processor"]}, {machine["cpus"]} CPUs'))
    rows.append(('commit', facts['commit'] or 'not a git checkout'))
    listed = ''.join(f'<dt>{escape(name)}</dt><dd>{escape(printable(value))}</dd>' for name, value in rows)
    commands = [printable(run['command']) for run in facts['runs'].values() if run['command']]
    shown = f'<pre>{escape(chr(10).join(commands))}</pre>' if commands else ''
    return f"""
<section id="making"><h2>How it was made</h2>
<p>Pictures and captions are rendered while training; nothing was downloaded. The same commands and seed give the same
data in the same order; last digits may differ between machines. All numbers are also in <code>results.json</code>.</p>
<dl>{listed}</dl>{shown}</section>"""


def _of_run(run: EvaluatedRun, training: dict) -> dict:
    return dict(
        config=Path(run.cfg.filename).name,
        checkpoint=run.checkpoint.name,
        epochs=run.epochs,
        seed=run.cfg.randomness.seed,
        policy=run.cfg.model.contrastive_loss.policy.to_dict(),
        command=training.get('command'),
        seconds=training.get('seconds'),
        metrics=run.metrics,
    )


def _commit() -> str | None:
    """Of the checkout that the package lies in; None if it lies in none."""
    command = ['git', '-C', str(Path(__file__).parent), 'describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
