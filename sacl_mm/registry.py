"""The project's registries: children of MMEngine's, so that `type='sacl_mm....'` works in any OpenMMLab config.

`locations` are imported the first time that something is looked up, not before.
"""

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOG_PROCESSORS as MMENGINE_LOG_PROCESSORS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import TASK_UTILS as MMENGINE_TASK_UTILS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry

MODELS = Registry('model', parent=MMENGINE_MODELS, scope='sacl_mm', locations=['sacl_mm.models'])
DATASETS = Registry('dataset', parent=MMENGINE_DATASETS, scope='sacl_mm', locations=['sacl_mm.datasets'])
DATA_SAMPLERS = Registry('data sampler', parent=MMENGINE_DATA_SAMPLERS, scope='sacl_mm', locations=['sacl_mm.datasets'])
TRANSFORMS = Registry('transform', parent=MMENGINE_TRANSFORMS, scope='sacl_mm', locations=['sacl_mm.datasets'])
TASK_UTILS = Registry('task util', parent=MMENGINE_TASK_UTILS, scope='sacl_mm', locations=['sacl_mm.datasets'])
METRICS = Registry('metric', parent=MMENGINE_METRICS, scope='sacl_mm', locations=['sacl_mm.evaluation'])
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='sacl_mm', locations=['sacl_mm.engine'])
LOOPS = Registry('loop', parent=MMENGINE_LOOPS, scope='sacl_mm', locations=['sacl_mm.engine'])
LOG_PROCESSORS = Registry(
    'log processor', parent=MMENGINE_LOG_PROCESSORS, scope='sacl_mm', locations=['sacl_mm.engine']
)
