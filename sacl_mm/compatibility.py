"""The few fixes without which the stack does not import; each is applied only where it is needed.

1. *torchvision without its compiled operators* (a CUDA build beside a CPU torch): importing it dies with "operator
   torchvision::nms does not exist", and with it mmengine's Runner, mmpretrain and parts of transformers. Declaring the two
   schemas that it registers fake kernels for lets its pure-Python parts (the transforms) load. Calling the operators
   themselves still fails, and `torchvision.extension._has_ops()` stays False. It is done when something imports torchvision,
   for it needs PyTorch, which `sacl_mm` by itself does not import.
2. *mmpretrain with transformers >= 4.52*: its own multimodal models (BLIP, Flamingo, LLaVA ...) import names that moved.
   Told that transformers is absent, mmpretrain puts placeholders in their place and everything else loads.
3. *MMEngine's table of packages with configurations*, which `mmengine.hub` and `_base_ = 'package::...'` go by, is fixed.
"""

import importlib.metadata
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_TORCHVISION_OPERATORS = ('nms', 'qnms')
_TABLE = 'mmengine.config.utils'
_LAST_TRANSFORMERS_WITH_MMPRETRAIN_MULTIMODAL = (4, 51)
# The library of the declared schemas must outlive the process's use of torchvision.
_declared_operators: list = []


class _BeforeTorchvision(MetaPathFinder):
    """Finds no module itself."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        if fullname == 'torchvision' and self in sys.meta_path:
            sys.meta_path.remove(self)
            declare_missing_torchvision_operators()


class _AfterMMEngineTable(MetaPathFinder):
    """Adds this package to MMEngine's table as soon as the table is there."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _TABLE or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_add(module: ModuleType) -> None:
                execute(module)
                _add_to_table(module)

            spec.loader.exec_module = execute_and_add  # type: ignore[method-assign]
        return spec


def add_to_mmengine_hub() -> None:
    """From now on `mmengine.hub.get_config('sacl_mm::...')` and `_base_ = 'sacl_mm::...'` find this package's configurations.
    MMEngine is not imported for that."""
    if _TABLE in sys.modules:
        _add_to_table(sys.modules[_TABLE])
    else:
        sys.meta_path.insert(0, _AfterMMEngineTable())


def _add_to_table(module: ModuleType) -> None:
    """MMEngine takes the value for a distribution, and looks for an editable install's files in the wrong place. What is no
    distribution, but a module, it looks for in the module's folder: right in every kind of installation."""
    module.MODULE2PACKAGE['sacl_mm'] = 'sacl_mm.registry'


def prepare_for_torchvision() -> None:
    """From now on `import torchvision` works where its compiled operators cannot be loaded."""
    sys.meta_path.insert(0, _BeforeTorchvision())


def declare_missing_torchvision_operators() -> None:
    """Make `import torchvision` work where its compiled operators cannot be loaded."""
    import torch

    try:
        distribution = importlib.metadata.distribution('torchvision')
    except importlib.metadata.PackageNotFoundError:
        return
    if _torchvision_operators_load(distribution):
        return
    library = torch.library.Library('torchvision', 'FRAGMENT')
    for name in _TORCHVISION_OPERATORS:
        try:
            library.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
        except RuntimeError:  # declared already, by torchvision itself or by another library with the same cure
            continue
    _declared_operators.append(library)


def _torchvision_operators_load(distribution: importlib.metadata.Distribution) -> bool:
    import torch

    if hasattr(torch.ops.torchvision, 'nms'):
        return True
    libraries = [file for file in distribution.files or [] if file.name.startswith('_C.') or file.name == '_C.so']
    for library in libraries:
        try:
            torch.ops.load_library(str(distribution.locate_file(library)))
        except OSError:
            continue
    return hasattr(torch.ops.torchvision, 'nms')


def mmpretrain_multimodal_models_load() -> bool:
    """Whether mmpretrain's own multimodal models import beside the installed transformers."""
    try:
        version = importlib.metadata.version('transformers')
    except importlib.metadata.PackageNotFoundError:
        return False
    major, minor = (int(part) for part in version.split('.')[:2])
    return (major, minor) <= _LAST_TRANSFORMERS_WITH_MMPRETRAIN_MULTIMODAL


def load_mmpretrain() -> None:
    """Import `mmpretrain.models` so that it works with any transformers; call it before using mmpretrain's registry."""
    declare_missing_torchvision_operators()
    import mmpretrain.utils.dependency as dependency

    if dependency.WITH_MULTIMODAL and not mmpretrain_multimodal_models_load():
        dependency.WITH_MULTIMODAL = False
        warnings.warn(
            f"transformers {importlib.metadata.version('transformers')} is newer than mmpretrain's own multimodal models "
            '(BLIP, Flamingo, LLaVA, ...) can import, so these are left out. Everything else works; '
            'for them install transformers<=4.51.3.',
            stacklevel=2,
        )
    with warnings.catch_warnings():
        # mmcv-lite has no compiled operators; nothing here needs them.
        warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``', UserWarning)
        import mmpretrain.models  # noqa: F401
