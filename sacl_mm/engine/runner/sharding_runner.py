"""MMEngine's FlexibleRunner with sharded weights and unsharded checkpoints."""

from typing import Any

from mmengine._strategy import DDPStrategy
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import FlexibleRunner
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.utils._pytree import tree_map

from sacl_mm.engine.checks.weights import check_pretrained_parts
from sacl_mm.engine.runner.resumable_runner import Resumable, compile_layers
from sacl_mm.engine.runner.sharding import gather_weights, part_of, release_weights, shard, whole
from sacl_mm.engine.terminal import show_essentials


class ShardingStrategy(DDPStrategy):
    """Shares weights, gradients and the optimizer's state out among the processes (`shard`).

    Checkpoints are those of an unsharded training: gathered on all processes, written by the first one, and read by all. So
    a training may be resumed with sharding, without it, or on another number of processes.

    MMEngine's own `FSDPStrategy` is FSDP1, which needs GPUs and flattens each layer's parameters, so that a teacher cannot
    follow parameter by parameter.

    Args:
        compile: as in a configuration; True, or options of `torch.compile`.
        others: as in MMEngine's `DDPStrategy`.
    """

    def __init__(self, *, compile: bool | dict = False, **options) -> None:
        super().__init__(**options)
        self.compile = compile

    def build_logger(self, *given, **options) -> MMLogger:
        return show_essentials(super().build_logger(*given, **options))

    def _init_model_weights(self, model: nn.Module) -> nn.Module:
        check_pretrained_parts(model)
        return super()._init_model_weights(model)

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        device = get_device()
        model = self.convert_model(model.to(device))
        compile_layers(model, self.compile)
        layers = shard(model, device)
        self.logger.info(
            f'weights are sharded among {self.world_size} processes; {layers} layers are gathered one by one'
        )
        return model

    def model_state_dict(self) -> dict:
        """The whole weights, on the CPU of the main process; all processes must ask for them."""
        return get_model_state_dict(self.model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))

    def optim_state_dict(self) -> dict:
        """As `model_state_dict`."""
        return tree_map(_for_the_main_process, self.optim_wrapper.state_dict())

    def save_checkpoint(self, filename: str, *, save_optimizer: bool = True, **options) -> None:
        if is_main_process():
            super().save_checkpoint(filename, save_optimizer=save_optimizer, **options)
            return
        self.model_state_dict()
        if save_optimizer:
            self.optim_state_dict()

    def load_model_state_dict(self, state_dict: dict, *, strict: bool = False, **options) -> None:
        state = {name.removeprefix('module.'): value for name, value in state_dict.items()}
        # PyTorch's own loading raises where a tensor cannot be copied; MMEngine's would go on with what was there.
        self.model.load_state_dict(state, strict=strict)

    def load_optim_state_dict(self, state_dict: dict) -> None:
        parameters = [parameter for group in self.optim_wrapper.param_groups for parameter in group['params']]
        state = {
            number: {name: part_of(value, parameters[number]) for name, value in values.items()}
            for number, values in state_dict['state'].items()
        }
        super().load_optim_state_dict(state_dict | dict(state=state))


def _for_the_main_process(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    value = whole(value.detach())
    return value.cpu() if is_main_process() else None


class ShardingRunner(Resumable, FlexibleRunner):
    """Trains with `ShardingStrategy`, by the same configuration as MMEngine's `Runner`.

    A strategy can shard, save and load where sharding needs it: after weights are initialised, and on all processes. The
    plain Runner initialises them after it has wrapped the model, and saves on the main process alone.

    Args:
        others: as in `FlexibleRunner`.
    """

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.register_hook(WholeWeightsInEvaluation())

    def build_strategy(self, strategy: None = None, **options) -> ShardingStrategy:
        # FlexibleRunner's own `compile` is for `train_step`.
        ours = dict(type=ShardingStrategy, compile=self.cfg.get('compile', False), sync_bn=self.cfg.get('sync_bn'))
        return super().build_strategy(ours, **options)


class WholeWeightsInEvaluation(Hook):
    """Gathers the weights for an evaluation, whose loop may call any part of the model, on each process as often as it has
    samples for it; a sharded layer needs all processes each time that it is called."""

    def before_val(self, runner: ShardingRunner) -> None:
        gather_weights(runner.model)

    def after_val(self, runner: ShardingRunner) -> None:
        release_weights(runner.model)
