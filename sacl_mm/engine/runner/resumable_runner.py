"""MMEngine's Runner with complete checkpoints and exact resuming."""

from functools import partial
from pathlib import Path

from mmengine.device import get_device
from mmengine.logging import MMLogger, print_log
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner, TestLoop, ValLoop
from torch import nn
from torch.utils.data import DataLoader

from sacl_mm.build_errors import building_from_configuration
from sacl_mm.checkpoints.files import read_plain
from sacl_mm.engine.agreement import first_process_decides
from sacl_mm.engine.checks.training_check import check_measures, check_training
from sacl_mm.engine.checks.weights import check_weights
from sacl_mm.engine.hooks.plain_checkpoint_hook import PlainCheckpointHook
from sacl_mm.engine.interruption import leave_signals_to_the_main_process
from sacl_mm.engine.optimizers import accumulated_gradients, restore_gradients
from sacl_mm.engine.runner.train_loop import ResumableTrainLoop
from sacl_mm.engine.runner.training_record import (
    decides_order,
    differences,
    recompute_schedules,
    recomputes_schedules,
    training_record,
)
from sacl_mm.engine.terminal import show_essentials
from sacl_mm.engine.work_dir import check_newest, check_unused, locked, meta_of, newest_checkpoint, written_whole
from sacl_mm.functional.distributed import rank
from sacl_mm.models.strict_loading import MisfitError
from sacl_mm.models.vision_language_model import VisionLanguageModel
from sacl_mm.registry import RUNNERS
from sacl_mm.user_error import NonFiniteError, UserError

# A data loading worker that gives no batch for so long hangs; a loader's `timeout` takes precedence.
_SECONDS_FOR_A_BATCH = 900
# Of configs/_base_/default_runtime.py.
_OUR_HOOKS = ('loading', 'evidence', 'progress', 'cpu')


class Resumable:
    """What `ResumableRunner` and the sharding one share; a mixin before MMEngine's Runner.

    * A checkpoint is written to a temporary file, then renamed. It holds data only, and a record of its training.
    * `--resume` takes the newest readable checkpoint of the work directory itself. The first process chooses it.
    * Where configuration and checkpoint differ, the configuration wins for learning rates, other settings of the optimizer
      and the length: schedules are recomputed. In the middle of an epoch the order of samples must be the same. Everything
      that differs is logged.
    * A work directory that holds a training, or that another one writes to, is refused.
    """

    def register_hooks(self, default_hooks=None, custom_hooks=None) -> None:
        # MMEngine lets None switch off its own default hooks alone.
        hooks = {
            name: hook for name, hook in (default_hooks or {}).items() if hook is not None or name not in _OUR_HOOKS
        }
        super().register_hooks(hooks, custom_hooks)
        if not any(isinstance(hook, PlainCheckpointHook) for hook in self._hooks):
            self.register_hook(PlainCheckpointHook())

    @staticmethod
    @building_from_configuration()
    def build_dataloader(dataloader, seed=None, diff_rank_seed=False) -> DataLoader:
        loader = Runner.build_dataloader(dataloader, seed, diff_rank_seed)
        loader.worker_init_fn = partial(_initialise_worker, loader.worker_init_fn)
        if loader.num_workers and not loader.timeout:
            loader.timeout = _SECONDS_FOR_A_BATCH
        return loader

    @building_from_configuration()
    def build_train_loop(self, loop) -> EpochBasedTrainLoop:
        if isinstance(loop, dict):
            loop = dict(loop)
            if loop.pop('by_epoch', False) or loop.get('type') in ('EpochBasedTrainLoop', EpochBasedTrainLoop):
                loop['type'] = ResumableTrainLoop
        return super().build_train_loop(loop)

    @building_from_configuration()
    def build_val_loop(self, loop) -> ValLoop:
        return super().build_val_loop(loop)

    @building_from_configuration()
    def build_test_loop(self, loop) -> TestLoop:
        return super().build_test_loop(loop)

    def train(self) -> nn.Module:
        if rank() == 0:
            with locked(self.work_dir):
                return self._train()
        return self._train()

    def _train(self) -> nn.Module:
        if not self._resume and not self.cfg.get('overwrite'):
            first_process_decides(lambda: check_unused(self.work_dir))
        check_training(self)
        return super().train()

    def test(self) -> dict:
        check_measures(self.test_loop.evaluator, self.test_loop.dataloader.dataset)
        return super().test()

    # ------------------------------------------------------------------------------------------------ checkpoints
    def save_checkpoint(self, out_dir: str, filename: str, *args, meta: dict | None = None, **options) -> None:
        """As in MMEngine; all processes must call it."""
        check_weights(self.model, 'saved')
        meta = dict(meta or {}, training=training_record(self))
        self.gradients = {} if self.optim_wrapper.should_update() else accumulated_gradients(self._plain_model)
        # FlexibleRunner writes its own into `meta`; `PlainCheckpointHook` corrects it.
        self.position = {name: meta[name] for name in ('epoch', 'iter') if name in meta}
        save = partial(super().save_checkpoint, out_dir, meta=meta, **options)
        if rank() or '://' in str(out_dir):
            save(filename, *args)
            return
        with written_whole(Path(out_dir, filename)) as path:
            save(path.name, *args)

    def load_checkpoint(self, filename: str, *args, **options) -> dict:
        if not isinstance(self._plain_model, VisionLanguageModel):
            options['strict'] = True
        try:
            return super().load_checkpoint(filename, *args, **options)
        except NonFiniteError as error:
            raise NonFiniteError(f"'{filename}': {error}") from None
        except (MisfitError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and 'do not match exactly' not in str(error):
                raise
            raise UserError(
                f"'{filename}': {' '.join(str(error).split())} To load the rest all the same, name beginnings of the keys: "
                "default_hooks.loading.allow=['multimodal_backbone.']"
            ) from None

    def load_or_resume(self) -> None:
        """With `--resume` continue from the newest checkpoint of the work directory, else load the weights to start from."""
        if not self._resume or self._has_loaded:
            super().load_or_resume()
            return
        if self._load_from is None:
            found = first_process_decides(lambda: newest_checkpoint(self.work_dir, self.logger.warning))
            if found is None:
                self.logger.info(f'no checkpoint in {self.work_dir} to resume from: the training begins')
                self._resume, self._load_from = False, self.cfg.get('start_from')
                super().load_or_resume()
                return
            self._load_from = found[0]
        else:
            first_process_decides(lambda: check_newest(self._load_from, self.work_dir))
        self.resume(self._load_from)

    def resume(self, filename: str, *args, **options) -> None:
        """Continue from a checkpoint, as in MMEngine and by the rules of this class."""
        if not isinstance(self.train_loop, EpochBasedTrainLoop):
            super().resume(filename, *args, **options)
            return
        meta, now = meta_of(filename), training_record(self)
        before = meta.get('training', now)
        changed = differences(before, now)
        epoch, iteration = self._position(filename, meta, before, now, changed)
        groups = [
            {name: value for name, value in group.items() if name != 'params'}
            for group in self.optim_wrapper.param_groups
        ]
        recomputed = any(recomputes_schedules(name) for name in changed)
        super().resume(filename, *args, **(options | ({'resume_param_scheduler': False} if recomputed else {})))
        self.train_loop._epoch, self.train_loop._iter = epoch, iteration
        if 'seed' in changed:  # MMEngine has taken the checkpoint's, but the sampler has this one
            self._seed = now['seed']
            self.message_hub.update_info('seed', self._seed)
        if recomputed:
            recompute_schedules(self, groups, iteration)
        gradients = read_plain(filename, in_place=True, verify=False).get('gradients', {})
        restore_gradients(self._plain_model, gradients)
        if changed:
            self.logger.warning(
                f'resumed with other settings: {"; ".join(changed.values())}. This configuration wins'
                + ('; schedules are recomputed for it' if recomputed else '')
            )
        if iteration >= self.train_loop.max_iters:
            self.logger.warning(
                f'{iteration} of {self.train_loop.max_iters} iterations are done: nothing is left to train'
            )

    @property
    def _plain_model(self) -> nn.Module:
        return self.model.module if is_model_wrapper(self.model) else self.model

    def _position(self, filename: str, meta: dict, before: dict, now: dict, changed: dict) -> tuple[int, int]:
        """The epoch and iteration to continue at; in mid-epoch only with the same samples in the same order."""
        epoch, iteration = meta['epoch'], meta['iter']
        if iteration == epoch * before['iterations_per_epoch']:
            return epoch, epoch * now['iterations_per_epoch']
        wrong = [words for name, words in changed.items() if decides_order(name)]
        if wrong:
            raise UserError(
                f"'{filename}' is in the middle of epoch {epoch + 1}, where these must be the same: {'; '.join(wrong)}. "
                'Resume with the old settings, or from the end of an epoch'
            )
        return epoch, iteration


@RUNNERS.register_module()
class ResumableRunner(Resumable, Runner):
    """MMEngine's Runner with what `Resumable` adds; `runner_type='sacl_mm.ResumableRunner'` for other libraries' tools."""

    def build_logger(self, *given, **options) -> MMLogger:
        return show_essentials(super().build_logger(*given, **options))

    @building_from_configuration()
    def build_optim_wrapper(self, optim_wrapper) -> OptimWrapper | OptimWrapperDict:
        return super().build_optim_wrapper(optim_wrapper)

    @building_from_configuration()
    def build_param_scheduler(self, scheduler) -> list | dict:
        return super().build_param_scheduler(scheduler)

    @building_from_configuration()
    def scale_lr(self, *given) -> None:
        super().scale_lr(*given)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        if self.distributed:
            model_wrapper_cfg = dict(
                type='sacl_mm.VisionLanguageDDP',
                broadcast_buffers=False,
                find_unused_parameters=self.cfg.get('find_unused_parameters', False),
            ) | dict(model_wrapper_cfg or {})
            if get_device() == 'cpu':
                model_wrapper_cfg['device_ids'] = None
        compile_layers(model, self.cfg.get('compile', False))
        return super().wrap_model(model_wrapper_cfg, model)

    def _maybe_compile(self, target: str) -> None:
        """Does nothing: MMEngine would compile `train_step` with the optimizer wrapper, which torch 2.13 refuses."""


def _initialise_worker(then, worker: int) -> None:
    leave_signals_to_the_main_process()
    if then is not None:
        then(worker)


def compile_layers(model: nn.Module, options: bool | dict = True) -> int:
    """Compile each layer of each stack (`nn.ModuleList`) by itself, in place; state dicts stay as they are.

    Layers of a stack share their code, so that it is compiled once, in seconds.

    Args:
        model: any; its teacher's layers are compiled, too.
        options: of `torch.compile`, or True for its defaults; False for none.

    Returns:
        How many layers are compiled.
    """
    if options is False:
        return 0
    layers = [layer for stack in model.modules() if isinstance(stack, nn.ModuleList) for layer in stack]
    for layer in layers:
        layer.compile(**({} if options is True else options))
    print_log(f'{len(layers)} layers are compiled; the first iterations will be slow', logger='current')
    return len(layers)
