"""What an installation brings along: configurations, tools, commands, metadata."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml

import sacl_mm
from sacl_mm import command_line, console

ROOT = Path(__file__).parents[1]


def setup_arguments() -> dict:
    with patch('setuptools.setup') as setup:
        exec(compile((ROOT / 'setup.py').read_text(), 'setup.py', 'exec'), {'__file__': str(ROOT / 'setup.py')})
    return setup.call_args.kwargs


def copy_of_the_project(folder: Path) -> Path:
    """What is needed for building, which writes next to setup.py."""
    for path in ROOT.iterdir():
        if path.name in ('configs', 'requirements', 'sacl_mm', 'tools'):
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns('__pycache__', '.mim'))
        elif path.is_file():
            shutil.copy(path, folder)
    return folder


def setup_py(folder: Path, *command: str) -> None:
    subprocess.run(
        [sys.executable, 'setup.py', '-q', *command], cwd=folder, check=True, capture_output=True, timeout=300
    )


@pytest.fixture(scope='module')
def built(tmp_path_factory) -> Path:
    """`sacl_mm/` as it is built from the source distribution."""
    folder = copy_of_the_project(tmp_path_factory.mktemp('project'))
    setup_py(folder, 'sdist', '--formats=tar')
    [archive] = (folder / 'dist').glob('sacl_mm-*.tar')
    subprocess.run(['tar', '-xf', str(archive), '-C', str(folder / 'dist')], check=True)
    source = archive.with_suffix('')
    setup_py(source, 'build')
    return source / 'build' / 'lib' / 'sacl_mm'


def run(code: str, path: Path, folder: Path, **variables: str) -> str:
    environment = os.environ | dict(PYTHONPATH=str(path)) | variables
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_configurations_tools_and_data_files_are_built_in(built):
    def python_files(folder: Path) -> set[str]:
        files = (path.relative_to(folder) for path in folder.rglob('*.py'))
        return {str(file) for file in files if file.parts[0] not in ('benchmarks', 'fault_tests')}

    for name in ('configs', 'tools'):
        assert python_files(built / '.mim' / name) == python_files(ROOT / name) != set()
    assert (built / '.mim' / 'model-index.yml').read_text() == (ROOT / 'model-index.yml').read_text()
    assert (built / '.mim/configs/sacl/metafile.yml').is_file()
    assert (built / 'py.typed').is_file()
    templates = {path.name for path in (ROOT / 'sacl_mm/report/templates').iterdir()}
    assert {path.name for path in (built / 'report/templates').iterdir()} == templates != set()


INHERITS = "_base_ = ['sacl_mm::shape_world/infonce.py']\nbatch = 3\n"
HUB = (
    'import sacl_mm\n'
    'from mmengine.hub import get_config\n'
    'from mmengine.config import Config\n'
    'print(get_config("sacl_mm::sacl/pretrain.py").model.type)\n'
    'print(get_config("sacl_mm::shape_world/infonce.py").model.contrastive_loss.policy.type)\n'
    'print(Config.fromfile("mine.py").model.contrastive_loss.policy.type)\n'
    'from sacl_mm.engine.checks.config_file import config_from_file\n'
    'print(config_from_file("mine.py").batch)\n'
)


def test_the_hub_and_bases_of_others_find_the_configurations(built, tmp_path):
    (tmp_path / 'mine.py').write_text(INHERITS)
    assert run(HUB, built.parent, tmp_path).split() == ['SACLPretrain', 'InfoNCE', 'InfoNCE', '3']


def test_an_editable_install_links_to_the_checkout(tmp_path):
    (tmp_path / 'checkout').mkdir()
    checkout = copy_of_the_project(tmp_path / 'checkout')
    for _ in range(2):
        setup_py(checkout, 'editable_wheel', '--dist-dir', str(tmp_path))
    links = checkout / 'sacl_mm' / '.mim'
    assert {link.name: link.resolve() for link in links.iterdir()} == {
        name: checkout / name for name in ('configs', 'tools', 'model-index.yml')
    }
    (tmp_path / 'mine.py').write_text(INHERITS)
    assert run(HUB, checkout, tmp_path).split() == ['SACLPretrain', 'InfoNCE', 'InfoNCE', '3']


def test_each_command_is_a_tool_that_works_anywhere(built, tmp_path):
    scripts = setup_arguments()['entry_points']['console_scripts']
    commands = dict(re.fullmatch(r'(sacl-[\w-]+) = sacl_mm\.console:(\w+)', script).groups() for script in scripts)
    ours = {name for name, value in vars(console).items() if callable(value) and value.__module__ == console.__name__}
    assert set(commands.values()) == {name for name in ours if not name.startswith('_')}
    for command, function in commands.items():
        code = f'import sys; sys.argv = ["{command}", "--help"]\nfrom sacl_mm.console import {function}; {function}()'
        assert f'usage: {command} ' in run(code, built.parent, tmp_path)


def test_a_configuration_is_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command_line.find_config('sacl/pretrain.py') == str(ROOT / 'configs/sacl/pretrain.py')
    (tmp_path / 'sacl').mkdir()
    (tmp_path / 'sacl/pretrain.py').touch()  # one's own comes first
    assert command_line.find_config('sacl/pretrain.py') == 'sacl/pretrain.py'
    with pytest.raises(SystemExit, match=r"'sacl/pretrian.py' does not exist; did you mean 'sacl/pretrain.py'\?"):
        command_line.find_config('sacl/pretrian.py')


def test_the_index_names_every_recipe_of_the_paper():
    recipes, world = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    for model in yaml.safe_load((ROOT / world).read_text())['Models']:
        assert (ROOT / model['Weights']).is_file()
        assert (ROOT / model['Config']).is_file()
    index = yaml.safe_load((ROOT / recipes).read_text())
    configs = [model['Config'] for model in index['Models']]
    assert sorted(configs) == sorted(str(path.relative_to(ROOT)) for path in (ROOT / 'configs/sacl').glob('*.py'))
    assert {model['In Collection'] for model in index['Models']} == {index['Collections'][0]['Name']}


def test_versions_agree():
    assert setup_arguments()['version'] == sacl_mm.__version__
    assert yaml.safe_load((ROOT / 'CITATION.cff').read_text())['version'] == sacl_mm.__version__


def test_every_file_of_requirements_is_an_extra_or_known():
    arguments = setup_arguments()
    assert any(requirement.startswith('mmcv-lite') for requirement in arguments['install_requires'])
    files = {path.stem for path in (ROOT / 'requirements').glob('*.txt')}
    assert files - set(arguments['extras_require']) == {'runtime', 'lock', 'peers', 'transformers5'}
