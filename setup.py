"""Metadata of the package; tools are configured in pyproject.toml."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# Below `sacl_mm/.mim/` MMEngine's hub, `_base_ = 'sacl_mm::...'` and mim look for these.
SHIPPED = ('configs', 'tools', 'model-index.yml')
# Those in `sacl_mm/console.py`.
COMMANDS = ('train', 'test', 'describe', 'report', 'embed', 'search', 'explore')
# Sets of versions for tests; every other file of requirements/ but runtime.txt is an extra.
NO_EXTRAS = ('runtime', 'lock', 'peers', 'transformers5')


def requirements(name: str) -> list[str]:
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


class BuildWithConfigs(build_py):
    """Adds `SHIPPED` to the package: copies, or links in an editable install, so that they never are older than the code."""

    def run(self) -> None:
        super().run()
        package = ROOT / 'sacl_mm' if self.editable_mode else Path(self.build_lib, 'sacl_mm')
        (package / '.mim').mkdir(parents=True, exist_ok=True)
        for name in SHIPPED:
            source, target = ROOT / name, package / '.mim' / name
            if self.editable_mode:
                target.unlink(missing_ok=True)
                target.symlink_to(Path('..', '..', name))
            elif source.is_file():
                shutil.copy(source, target)
            else:
                shutil.rmtree(target, ignore_errors=True)  # of an earlier build
                # Benchmarks and fault tests are for a checkout.
                shutil.copytree(
                    source, target, ignore=shutil.ignore_patterns('__pycache__', 'benchmarks', 'fault_tests')
                )


setup(
    name='sacl_mm',
    version=re.search(r"__version__ = '(.+)'", (ROOT / 'sacl_mm' / '__init__.py').read_text()).group(1),
    description='Vision-language pre-training with semantic-aware contrastive learning (SACL), an MMEngine plugin',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='The sacl_mm contributors',
    license='Apache-2.0',
    project_urls={'Paper': 'https://aclanthology.org/2023.acl-long.819'},
    keywords=['vision-language', 'contrastive learning', 'false negatives', 'image-text retrieval', 'OpenMMLab'],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Typing :: Typed',
    ],
    python_requires='>=3.10',
    packages=find_packages(include=['sacl_mm', 'sacl_mm.*']),
    package_data={'sacl_mm': ['py.typed'], 'sacl_mm.report': ['templates/*']},
    cmdclass={'build_py': BuildWithConfigs},
    entry_points={'console_scripts': [f'sacl-{name} = sacl_mm.console:{name}' for name in COMMANDS]},
    install_requires=requirements('runtime'),
    extras_require={
        file.stem: requirements(file.stem)
        for file in sorted((ROOT / 'requirements').glob('*.txt'))
        if file.stem not in NO_EXTRAS
    },
)
