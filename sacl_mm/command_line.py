"""The command lines of the tools.

Nothing here imports PyTorch, which takes seconds: `--help` and misspelt commands answer at once.
"""

import os
import sys
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmengine.config import DictAction

from sacl_mm.user_error import did_you_mean, printable

CONFIG_HELP = 'configuration file, or the name of one that comes with sacl_mm, e.g. shape_world/sacl.py'


def add_common_arguments(parser: ArgumentParser) -> None:
    """The options of mmpretrain's tools that training and testing share."""
    parser.add_argument(
        '--work-dir',
        help="where logs, checkpoints and metrics go (default: work_dirs/ and the configuration's path below configs/)",
    )
    parser.add_argument(
        '--amp', action='store_true', help='automatic mixed precision (float16 on GPUs, bfloat16 on CPUs)'
    )
    parser.add_argument('--no-pin-memory', action='store_true', help='switch pin_memory of the data loaders off')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        help='override settings of the configuration, as key=value, e.g. model.queue_size=0 train_cfg.max_epochs=2',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    # torch.distributed.launch passes --local-rank; torchrun sets the environment variable.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def parse(parser: ArgumentParser) -> Namespace:
    """The arguments; ends with one line if the configuration is not there."""
    args = parser.parse_args()
    args.config = find_config(args.config)
    return args


def find_config(name: str) -> str:
    """The path of a configuration: of the file, or of the one with this name below configs/ that comes with the package.
    Ends with one line if there is none."""
    ours = shipped('configs')
    if os.path.exists(name):
        return name
    if (ours / name).is_file():
        return str(ours / name)
    names = (str(path.relative_to(ours)) for path in ours.glob('[!_]*/*.py'))
    sys.exit(printable(f"error: configuration '{name}' does not exist{did_you_mean(name, names)}"))


def named_runs(arguments: Sequence[str]) -> dict[str, list[Path]]:
    """The work directories of each name, one per seed, from NAME=DIR[,DIR...]. Ends with one line if an argument has another
    form, a name is given twice, or a directory is not there."""
    runs: dict[str, list[Path]] = {}
    for given in arguments:
        name, equals, folders = given.partition('=')
        if not name or not equals or not all(folders.split(',')):
            sys.exit(printable(f"error: '{given}' is not NAME=DIR[,DIR...]"))
        if name in runs:
            sys.exit(printable(f"error: '{name}' is given twice: {name}=DIR,DIR takes several seeds"))
        runs[name] = [Path(folder) for folder in folders.split(',')]
        check_work_dirs(runs[name])
    return runs


def check_work_dirs(folders: Iterable[Path]) -> None:
    """Ends with one line if one of them is not there."""
    for folder in folders:
        if not folder.is_dir():
            state = 'is no folder' if folder.exists() else 'does not exist'
            sys.exit(printable(f"error: work dir '{folder}' {state}"))


def shipped(name: str) -> Path:
    """The folder `configs` or `tools`: of the installed package, or of the checkout."""
    package = Path(__file__).resolve().parent
    installed = package / '.mim' / name
    return installed.resolve() if installed.exists() else package.parent / name


class OptionAction(DictAction):
    """MMEngine's `DictAction` (numbers, True, False, None, lists and tuples); what is no key=value is an error of the
    command line, and spaces inside a single value stay. Of the same key twice the last counts, as scripts expect."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Sequence[str], option_string: str | None = None
    ) -> None:
        options = dict(getattr(namespace, self.dest, None) or {})
        for given in values:
            key, _, value = given.partition('=')
            if not value or not all(key.split('.')):
                raise self._error(f"'{given}' is not key=value, as in model.queue_size=0 (None for no value)")
            options[key] = self._parse(given, value)
        for key in options:
            for longer in options:
                if longer.startswith(key + '.'):
                    raise self._error(f"'{key}' and '{longer}' override each other")
        setattr(namespace, self.dest, options)

    def _parse(self, given: str, value: str) -> object:
        if not value.startswith(('[', '(')) and ',' not in value:
            return self._parse_int_float_bool(value.strip('\'"'))
        try:
            if any(value.count(left) != value.count(right) for left, right in ('[]', '()')):
                raise AssertionError
            return self._parse_iterable(value)
        except (AssertionError, RecursionError) as error:
            raise self._error(f"the brackets of '{given[:80]}' do not match") from error

    def _error(self, message: str) -> ArgumentError:
        return ArgumentError(self, printable(message))
