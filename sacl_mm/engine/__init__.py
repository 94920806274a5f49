"""What surrounds the models in a run.

* `checks`: configurations, data, weights and files, before a run starts
* `hooks`: checkpoints, evidence, progress bar
* `runner`: runners, loops, sharding
* `launch`: from a command line to a Runner
"""

from sacl_mm.engine.hooks.checkpoint_hook import CheckpointHook
from sacl_mm.engine.hooks.checkpoint_loading import TolerantLoadingHook  # importing it, MMEngine reads files as data
from sacl_mm.engine.hooks.evidence_hook import EvidenceHook
from sacl_mm.engine.hooks.plain_checkpoint_hook import PlainCheckpointHook
from sacl_mm.engine.hooks.progress_hook import ProgressHook
from sacl_mm.engine.optimizers import BFloat16OptimWrapper, TrainableOnlyConstructor
from sacl_mm.engine.runner.reranking_loop import RerankingTestLoop, RerankingValLoop
from sacl_mm.engine.runner.resumable_runner import ResumableRunner
from sacl_mm.engine.runner.train_loop import ResumableTrainLoop

__all__ = [
    'BFloat16OptimWrapper',
    'CheckpointHook',
    'EvidenceHook',
    'PlainCheckpointHook',
    'ProgressHook',
    'RerankingTestLoop',
    'RerankingValLoop',
    'ResumableRunner',
    'ResumableTrainLoop',
    'TolerantLoadingHook',
    'TrainableOnlyConstructor',
]
