"""What surrounds the models in a run: hooks, checkpoints, the checks of a configuration."""

from sacl_mm.engine import checkpoint_loading  # noqa: F401  (MMEngine then reads files as data)
from sacl_mm.engine.bfloat16_optim_wrapper import BFloat16OptimWrapper
from sacl_mm.engine.freed_memory import FreedMemoryHook
from sacl_mm.engine.plain_checkpoint_hook import PlainCheckpointHook
from sacl_mm.engine.progress_hook import ProgressHook
from sacl_mm.engine.reranking_loop import RerankingTestLoop, RerankingValLoop
from sacl_mm.engine.strict_loading_hook import StrictLoadingHook
from sacl_mm.engine.trainable_only_constructor import TrainableOnlyConstructor
from sacl_mm.engine.training_state_hook import TrainingStateHook

__all__ = [
    'BFloat16OptimWrapper',
    'FreedMemoryHook',
    'PlainCheckpointHook',
    'ProgressHook',
    'RerankingTestLoop',
    'RerankingValLoop',
    'StrictLoadingHook',
    'TrainableOnlyConstructor',
    'TrainingStateHook',
]
