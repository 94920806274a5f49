"""From command line and configuration file to a Runner; shared by `tools/train.py` and `tools/test.py`."""

import os
import select
import sys
from argparse import Namespace
from collections.abc import Callable
from datetime import timedelta

import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import FlexibleRunner, Runner
from mmengine.utils import digit_version

from sacl_mm.build_errors import build_mistake, building_from_configuration
from sacl_mm.engine.checks.config_check import check_config, check_parts
from sacl_mm.engine.checks.config_file import config_from_file
from sacl_mm.engine.checks.config_values import LOADERS
from sacl_mm.engine.checks.files import check_folder, file_mistake
from sacl_mm.engine.checks.weights import check_checkpoint
from sacl_mm.engine.interruption import EXIT_CTRL_C, ToBeContinued, end_with_launcher
from sacl_mm.engine.terminal import silence_libraries
from sacl_mm.user_error import BrokenSampleError, UserError, printable

# What each launcher tells the processes that it starts.
_LAUNCHER_VARIABLES = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}
# Seconds after which a process that waits for another one in vain ends; env_cfg.dist_cfg.timeout is another.
_TIMEOUT = 1800
# What gloo and NCCL say when a process is gone or does not answer.
_LOST = ('Connection closed by peer', 'Connection reset by peer', 'Timed out', 'timed out', 'Broken pipe')


def load_config(args: Namespace, stage: str = 'train') -> Config:
    """The configuration with the command line's settings merged and its mistakes reported.

    Args:
        stage: what is to be done, 'train' or 'test'.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    # Also torch < 2.6 then refuses checkpoints that contain code.
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    variable = _LAUNCHER_VARIABLES.get(args.launcher)
    if variable is not None and variable not in os.environ:
        raise UserError(
            f'--launcher {args.launcher} is for processes that {args.launcher} starts: {variable} is not set'
        )
    cfg = config_from_file(args.config)
    check_config(cfg, args.cfg_options)
    cfg.merge_from_dict(args.cfg_options or {})
    check_config(cfg)
    check_parts(cfg, stage)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or default_work_dir(args.config)
    check_folder(cfg.work_dir, 'work dir')
    for loader in LOADERS:
        if isinstance(cfg.get(loader), dict):
            # Pinned memory needs an accelerator.
            cfg[loader].setdefault('pin_memory', torch.cuda.is_available() and not args.no_pin_memory)
    return cfg


def default_work_dir(config: str) -> str:
    """`work_dirs/` and the configuration's path below `configs/` (its name, if it lies elsewhere), without the suffix:
    recipes of two folders may have the same name."""
    *folders, name = os.path.splitext(os.path.abspath(config))[0].split(os.sep)
    below = folders[len(folders) - folders[::-1].index('configs') :] if 'configs' in folders else []
    return os.path.join('work_dirs', *below, name)


def check_start(cfg: Config) -> None:
    """Raises UserError if the weights that the configuration starts from are missing or not weights."""
    if cfg.get('load_from'):
        check_checkpoint(cfg.load_from, 'checkpoint (load_from)')


def build_runner(cfg: Config) -> Runner | FlexibleRunner:
    """A Runner; with several processes on a machine without GPUs they talk through gloo, which MMEngine does not arrange.
    `compile=True`, or the options of `torch.compile`, compiles the layers of the model (`compile_layers`); `shard=True` shards
    the weights among the processes (`ShardingRunner`)."""
    if cfg.get('shard', False) is not False:
        check_sharding(cfg)
    if cfg.launcher != 'none':
        end_with_launcher()
        dist_cfg = cfg.setdefault('env_cfg', {}).setdefault('dist_cfg', dict(backend='nccl'))
        seconds = dist_cfg.setdefault('timeout', _TIMEOUT)
        if not torch.cuda.is_available():
            if cfg.launcher != 'pytorch':
                raise UserError(
                    f"launcher '{cfg.launcher}' needs GPUs; on CPUs use --launcher pytorch (tools/dist_train.sh)"
                )
            torch.distributed.init_process_group('gloo', timeout=timedelta(seconds=seconds))
    if not isinstance(cfg.get('compile', False), (bool, dict)):
        raise UserError(f"compile must be True, False or a dict of torch.compile's options, got {cfg.compile!r}")
    if cfg.get('shard'):
        from sacl_mm.engine.runner.sharding_runner import ShardingRunner  # needs a newer PyTorch than the rest

        with building_from_configuration():
            return ShardingRunner.from_cfg(cfg)
    cfg.setdefault('runner_type', 'sacl_mm.ResumableRunner')
    with building_from_configuration():
        return RUNNERS.build(cfg)


def check_sharding(cfg: Config) -> None:
    """Raises UserError if `shard=True` is not possible."""
    if cfg.shard is not True:
        raise UserError(f'shard must be True or False, got {cfg.shard!r}')
    if cfg.launcher == 'none':
        raise UserError(
            'shard=True shares the weights out among several processes: start them with tools/dist_train.sh CONFIG PROCESSES'
        )
    if digit_version(torch.__version__) < digit_version('2.7'):
        raise UserError(f'shard=True needs PyTorch 2.7, this is {torch.__version__}')
    for key, ours in (('runner_type', 'sacl_mm.ResumableRunner'), ('model_wrapper_cfg', None)):
        if cfg.get(key) not in (None, ours):
            raise UserError(f'shard=True brings its own runner and wraps no model: leave {key} out')


def use_mixed_precision(cfg: Config) -> None:
    """`--amp` in training: MMEngine's AmpOptimWrapper (float16) on accelerators, bfloat16 on CPUs."""
    if not torch.cuda.is_available():
        cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
        return
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def run_tool(main: Callable[[], None]) -> None:
    """Run a tool. A user's mistake or a file that cannot be read or written ends it with one line, Ctrl-C with a hint, a
    closed pipe (`| head`) silently, a bug with its traceback."""
    silence_libraries()
    try:
        main()
        sys.stdout.flush()
        _leave_together()
    except ToBeContinued as end:
        _leave_together(end.code)
        raise
    except (UserError, BrokenSampleError) as error:
        sys.exit(f'error: {_message(error)}')
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        sys.exit(1)
    except Exception as error:
        mistake = _lost_process(error) or _hanging_worker(error) or build_mistake(error)
        mistake = mistake or (file_mistake(error) if isinstance(error, OSError) else None)
        if mistake is None:
            raise
        sys.exit(f'error: {printable(mistake)}')
    except KeyboardInterrupt:
        print('interrupted; a training goes on from its last checkpoint with --resume', file=sys.stderr)
        sys.exit(EXIT_CTRL_C)


def _message(error: Exception) -> str:
    """An error from a data loader's worker comes with its traceback in front."""
    text = str(error)
    return text.rpartition(f'{type(error).__name__}: ')[2].removesuffix('\\n') if text.startswith('Caught ') else text


def _reader_is_gone() -> bool:
    """Whether the broken pipe is standard output, and not another one."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _lost_process(error: Exception) -> str | None:
    if not (isinstance(error, RuntimeError) and _is_distributed() and any(words in str(error) for words in _LOST)):
        return None
    return (
        f'process {torch.distributed.get_rank()}: another process of this run has ended, or does not answer; its own message '
        f'says why ({str(error).splitlines()[0]})'
    )


def _hanging_worker(error: Exception) -> str | None:
    if not (isinstance(error, RuntimeError) and str(error).startswith('DataLoader timed out')):
        return None
    return (
        f'{str(error).rstrip(".")}: a data loading worker hangs. --resume goes on from the last checkpoint; '
        'train_dataloader.timeout allows more time, num_workers=0 shows where it hangs'
    )


def _is_distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _leave_together(code: int = 0) -> None:
    """End all processes of a distributed run at the same point. A process that ends while another still talks to it, or gloo's
    threads during the interpreter's shutdown, can abort a run that is already done."""
    if not _is_distributed():
        return
    torch.distributed.barrier()
    if torch.distributed.get_backend() == 'gloo':
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    torch.distributed.destroy_process_group()
