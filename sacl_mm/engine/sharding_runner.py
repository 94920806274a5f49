"""MMEngine's FlexibleRunner with sharded weights."""

from mmengine.hooks import Hook
from mmengine.runner import FlexibleRunner

from sacl_mm.engine.resumable_runner import Resumable
from sacl_mm.engine.sharding import gather_weights, release_weights
from sacl_mm.engine.sharding_strategy import ShardingStrategy


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
