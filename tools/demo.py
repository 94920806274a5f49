#!/usr/bin/env python
"""Train SACL and its InfoNCE twin in the embedded world and compare them: `python tools/demo.py [--epochs N] [--seed S]`.

Writes `report.html` and `report.json` to the work directory. Interrupted, it continues where it was when run again; what
is finished is not trained again. `--report-only` writes the report of finished runs anew.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = {'infonce': 'configs/shape_world/infonce.py', 'sacl': 'configs/shape_world/sacl.py'}
LABELS = {'infonce': 'InfoNCE', 'sacl': 'SACL'}
TITLE = 'SACL against InfoNCE, where every truth is known'
LEAD = (
    'InfoNCE treats every caption of another image as wrong, also where it is right. SACL (Jiang et al., ACL 2023) pushes '
    'captions that resemble the image away less. Here both losses train the same small model on rendered scenes, of which it '
    'is known exactly what is true. Both runs share model, data, order of the samples and seed. SACL takes its weights from '
    'the finished InfoNCE model at first, and more and more from itself.'
)
# On two CPU cores of a small machine; only for the announcement.
PAIRS_PER_SECOND, VALIDATION_SECONDS, REPORT_SECONDS = 450, 6, 30
# What makes two trainings the same one.
SETTINGS = [
    'model',
    'train_dataloader',
    'val_dataloader',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg',
    'randomness',
]


@dataclass
class Training:
    """One of the two runs: its configuration with the command line's options, and where it goes."""

    name: str
    config: str
    work_dir: Path
    options: list[str]

    def __post_init__(self) -> None:
        self.cfg = Config.fromfile(self.config)
        values = dict(option.split('=', 1) for option in self.options)
        self.cfg.merge_from_dict({key: int(value) if value.isdigit() else value for key, value in values.items()})

    @property
    def arguments(self) -> list[str]:
        script = os.path.relpath(ROOT / 'tools' / 'train.py')
        return [script, self.config, '--work-dir', str(self.work_dir), '--resume', '--cfg-options', *self.options]

    @property
    def command(self) -> str:
        return shlex.join(['python', *self.arguments])

    @property
    def epochs_done(self) -> int:
        pointer = self.work_dir / 'last_checkpoint'
        name = Path(pointer.read_text().strip()).stem if pointer.is_file() else 'epoch_0'
        epoch = name.removeprefix('epoch_')
        return int(epoch) if epoch.isdecimal() else 0  # the training itself says what is wrong

    @property
    def seconds_left(self) -> float:
        loop, data = self.cfg.train_cfg, self.cfg.train_dataloader.dataset
        epochs = max(0, loop.max_epochs - self.epochs_done)
        return epochs * data.num_images / PAIRS_PER_SECOND + epochs / loop.val_interval * VALIDATION_SECONDS

    def check_settings(self) -> None:
        """Refuse to continue a training that was begun with other settings."""
        if not (self.work_dir / 'last_checkpoint').is_file():
            return
        for file in self.work_dir.glob('*.py'):
            begun = _begun(file)
            different = [key for key in SETTINGS if _plain(begun.get(key)) != _plain(self.cfg.get(key))]
            if different:
                sys.exit(
                    f'{self.work_dir} holds a training with other settings ({", ".join(different)}): '
                    'choose another --work-dir, or delete that folder to start anew'
                )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'), help='default: %(default)s')
    parser.add_argument('--epochs', type=int, help="of each training (default: the configurations')")
    parser.add_argument('--seed', type=int, help="of both trainings (default: the configurations')")
    parser.add_argument('--report-only', action='store_true', help='no training: the report of what is there')
    args = parser.parse_args()
    if args.report_only and (args.epochs is not None or args.seed is not None):
        parser.error('--report-only takes epochs and seed from the finished runs')
    if args.epochs is not None and args.epochs < 1:
        parser.error(f'--epochs must be at least 1, got {args.epochs}')
    if args.seed is not None and args.seed < 0:
        parser.error(f'--seed must not be negative, got {args.seed}')
    return args


def main() -> None:
    args = parse_args()
    # Here, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: demonstrate(args))


def demonstrate(args: argparse.Namespace) -> None:
    from sacl_mm.engine.checks.files import check_folder

    check_folder(args.work_dir, '--work-dir')
    if not args.report_only:
        os.environ.setdefault('OMP_NUM_THREADS', str(_cores()))
        trainings = plan(args.work_dir, args.epochs, args.seed)
        announce(trainings, args.work_dir)
        for training in trainings:
            train(training)
    report(args.work_dir)


def plan(work_dir: Path, epochs: int | None, seed: int | None) -> list[Training]:
    options = {'randomness.seed': seed, 'train_cfg.max_epochs': epochs}
    given = [f'{key}={value}' for key, value in options.items() if value is not None]
    trainings = []
    for name, config in CONFIGS.items():
        options = list(given)
        if name == 'sacl':  # its reference model H is the InfoNCE model
            last = trainings[0].cfg.train_cfg.max_epochs
            options.append(f'model.reference_checkpoint={work_dir / "infonce" / f"epoch_{last}.pth"}')
        training = Training(name, os.path.relpath(ROOT / config), work_dir / name, options)
        # Named even where it is the configuration's own: the command in the report then says it all.
        if seed is None:
            training.options = [f'randomness.seed={training.cfg.randomness.seed}', *training.options]
        training.check_settings()
        trainings.append(training)
    return trainings


def announce(trainings: list[Training], work_dir: Path) -> None:
    cfg = trainings[0].cfg
    minutes = max(1, round((sum(training.seconds_left for training in trainings) + REPORT_SECONDS) / 60))
    print(
        'This trains the same small model twice, with InfoNCE and then, with that as its reference model, with SACL:\n'
        f'{cfg.train_cfg.max_epochs} epochs each on {cfg.train_dataloader.dataset.num_images:,} rendered images, '
        f'seed {cfg.randomness.seed}.\n'
        'It then measures both by retrieval among unseen images and writes a report. Nothing is downloaded.\n'
        f'Expected: about {minutes} minute{"s" * (minutes != 1)} on two CPU cores (this machine: {_cores()}). '
        'Ctrl-C stops; the same command continues.\n'
        f'Results: {work_dir.resolve()}',
        flush=True,
    )


def train(training: Training) -> None:
    """Run `tools/train.py` in a process of its own, on this terminal; end the demo if it fails or is interrupted."""
    epochs = training.cfg.train_cfg.max_epochs
    if training.epochs_done >= epochs:
        print(f'\n{training.name}: all {epochs} epochs are there already', flush=True)
        return
    print(f'\n{training.name}: {training.command}', flush=True)
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, *training.arguments])
    try:
        code = process.wait()
    except KeyboardInterrupt:
        _stop(process)
        print(f'\nstopped; continue with: {shlex.join(["python", *sys.argv])}', file=sys.stderr)
        sys.exit(130)
    finally:
        _note(training, time.monotonic() - start)
    if code:
        logs = sorted(training.work_dir.glob('*/*.log'))
        where = f'; its log: {logs[-1].resolve()}' if logs else ''
        sys.exit(f'\ntraining {training.name} failed (exit code {code}), see the last lines above{where}')


def report(work_dir: Path) -> None:
    # Here, for it takes seconds to import, and nothing before needs it.
    from rich.console import Console

    from sacl_mm.report import write_report
    from sacl_mm.report.scores import rich_table

    print('\nwriting the report ...', flush=True)
    notes = {
        LABELS[name]: {'command': known['command'], 'training time': f'{known["seconds"]:,.0f} s'}
        for name, known in _read_notes(work_dir).items()
    }
    work_dirs = {label: work_dir / name for name, label in LABELS.items()}
    written = write_report(work_dirs, work_dir / 'report.html', TITLE, LEAD, notes)
    console = Console()
    console.print(rich_table(written.names, written.table))
    console.print(written.headline, highlight=False, markup=False)
    # Not by rich: it would break a long path.
    print(f'\nReport: {written.path.resolve()}')


def _stop(process: subprocess.Popen) -> None:
    """The terminal has sent Ctrl-C to the training as well; if it came from elsewhere, ask it to end."""
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()


def _note(training: Training, seconds: float) -> None:
    """Command and seconds of training, over all starts, for the report."""
    file = training.work_dir.parent / 'trainings.json'
    notes = _read_notes(training.work_dir.parent)
    before = notes.get(training.name, {}).get('seconds', 0.0)
    notes[training.name] = dict(command=training.command, seconds=before + seconds)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(notes, indent=2) + '\n')


def _read_notes(work_dir: Path) -> dict:
    file = work_dir / 'trainings.json'
    try:
        notes = json.loads(file.read_text()) if file.is_file() else {}
    except ValueError:
        notes = None
    if not isinstance(notes, dict):
        sys.exit(f'error: {file} is damaged; delete it (it holds only the seconds that each training took)')
    return notes


def _begun(file: Path) -> Config:
    from sacl_mm.engine.checks.config_file import config_from_file

    return config_from_file(str(file))


def _plain(setting: dict | list | None) -> object:
    """Without what `tools/train.py` adds by itself."""
    if isinstance(setting, dict):
        return {key: value for key, value in dict(setting).items() if key != 'pin_memory'}
    return setting


def _cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


if __name__ == '__main__':
    main()
