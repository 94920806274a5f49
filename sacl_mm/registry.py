"""The project's registries: children of MMEngine's, so that `type='sacl_mm....'` works in any OpenMMLab config.

MMEngine imports this module itself where it meets the scope 'sacl_mm'. `locations` are imported the first time that something
is looked up, not before. Errors of building carry what is wrong with the configuration (`sacl_mm.build_errors`); as MMEngine's
Runner builds by MMEngine's registries, theirs do, too.
"""

import mmengine.registry as root
from mmengine.registry import Registry

from sacl_mm.build_errors import with_reason


def _child(name: str, *locations: str) -> Registry:
    parent = getattr(root, name)
    for registry in (parent, *parent.children.values()) if name != 'RUNNERS' else ():  # which build without a type
        registry.build_func = with_reason(registry.build_func)
    return Registry(parent.name, parent=parent, scope='sacl_mm', locations=list(locations))


# mmpretrain's models are imported by the latter.
MODELS = _child('MODELS', 'sacl_mm.models.registered', 'sacl_mm.models.backbones')
DATASETS = _child('DATASETS', 'sacl_mm.datasets')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'sacl_mm.datasets')
TRANSFORMS = _child('TRANSFORMS', 'sacl_mm.datasets')
TASK_UTILS = _child('TASK_UTILS', 'sacl_mm.datasets')
METRICS = _child('METRICS', 'sacl_mm.evaluation')
HOOKS = _child('HOOKS', 'sacl_mm.engine', 'sacl_mm.cpu')
LOOPS = _child('LOOPS', 'sacl_mm.engine')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS', 'sacl_mm.models.vision_language_ddp')
RUNNERS = _child('RUNNERS', 'sacl_mm.engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'sacl_mm.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'sacl_mm.engine')

# Nothing of ours is in these, but MMEngine warns when a scope lacks one that it looks into, or one has no location.
for _name in (
    'EVALUATOR',
    'FUNCTIONS',
    'INFERENCERS',
    'LOG_PROCESSORS',
    'OPTIMIZERS',
    'PARAM_SCHEDULERS',
    'STRATEGIES',
    'VISBACKENDS',
    'VISUALIZERS',
    'WEIGHT_INITIALIZERS',
):
    if hasattr(root, _name):
        _child(_name, 'sacl_mm.engine')
