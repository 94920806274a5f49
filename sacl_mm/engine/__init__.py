"""What surrounds the models in a run: runner, loops, hooks, checkpoints, the checks of a configuration."""

from sacl_mm.engine import checkpoint_loading  # noqa: F401  (MMEngine then reads files as data)
from sacl_mm.engine.bfloat16_optim_wrapper import BFloat16OptimWrapper
from sacl_mm.engine.checkpoint_hook import CheckpointHook
from sacl_mm.engine.freed_memory import FreedMemoryHook
from sacl_mm.engine.plain_checkpoint_hook import PlainCheckpointHook
from sacl_mm.engine.progress_hook import ProgressHook
from sacl_mm.engine.reranking_loop import RerankingTestLoop, RerankingValLoop
from sacl_mm.engine.resumable_runner import ResumableRunner
from sacl_mm.engine.tolerant_loading_hook import TolerantLoadingHook
from sacl_mm.engine.train_loop import ResumableTrainLoop
from sacl_mm.engine.trainable_only_constructor import TrainableOnlyConstructor

__all__ = [
    'BFloat16OptimWrapper',
    'CheckpointHook',
    'FreedMemoryHook',
    'PlainCheckpointHook',
    'ProgressHook',
    'RerankingTestLoop',
    'RerankingValLoop',
    'ResumableRunner',
    'ResumableTrainLoop',
    'TolerantLoadingHook',
    'TrainableOnlyConstructor',
]
