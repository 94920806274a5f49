"""Metadata of the package; tools are configured in pyproject.toml."""

import importlib.util
import re
import sysconfig
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def mmcv_requirement() -> list[str]:
    """mmcv-lite has all that is used here and needs no compiler; but installed over a full mmcv it would overwrite that.

    pip builds in isolation, where installed packages do not import: the environment's own folder is looked at, too.
    """
    installed = importlib.util.find_spec('mmcv') or (Path(sysconfig.get_paths()['purelib']) / 'mmcv').exists()
    return [] if installed else ['mmcv-lite>=2.0.0']


setup(
    name='sacl_mm',
    version=re.search(r"__version__ = '(.+)'", (ROOT / 'sacl_mm' / '__init__.py').read_text()).group(1),
    description='Vision-language pre-training with semantic-aware contrastive learning (SACL), an MMEngine plugin',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    package_data={'sacl_mm': ['py.typed'], 'sacl_mm.report': ['templates/*']},
    python_requires='>=3.10',
    packages=find_packages(include=['sacl_mm', 'sacl_mm.*']),
    install_requires=[*requirements('runtime'), *mmcv_requirement()],
    extras_require={name: requirements(name) for name in ('onnx', 'open_clip', 'parquet', 'search', 'small', 'test')},
)
