"""The documents: their length, links, tables, the files they name, and the scripts that reproduce the results."""

import ast
import csv
import os
import pkgutil
import re
import shlex
import statistics
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

from sacl_mm.engine.checks.config_check import check_config

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / 'docs').glob('*.md'))
PAGES = [
    *DOCS,
    *(ROOT / name for name in ('README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md')),
    *sorted((ROOT / 'configs').glob('**/README.md')),
    *sorted((ROOT / 'projects').glob('*/README.md')),
]
SCRIPTS = sorted((ROOT / 'docs' / 'reproduce').glob('*.sh'))
MOST_WORDS = 5000
ROUNDING = 0.05  # the values of single seeds are rounded themselves
FOLDERS = ('configs', 'tools', 'tests', 'docs', 'projects', 'sacl_mm')
CODE = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob('*.py'))]
# Classes of other libraries that the documents name.
OTHERS = {
    *('AmpOptimWrapper', 'BaseDataset', 'BaseModel', 'FSDPStrategy', 'FlexibleRunner', 'HistoryBuffer'),  # MMEngine
    *('IterBasedTrainLoop', 'LocalVisBackend', 'ZeroRedundancyOptimizer'),
    *(
        'ApplyToList',
        'BaseBackbone',
        'BlipRetrieval',
        'ColorJitter',
        'ImageClassifier',
        'MoCoV3',
        'MoCoV3Head',
    ),  # mmpretrain
    *('RandAugment', 'RetrievalRecall', 'RetrievalValLoop'),
    *('AdamW', 'FlopCounterMode', 'SDPBackend'),  # torch
    *('BertTokenizerFast', 'CLIPModel', 'ClipLoss', 'SentenceTransformerTrainer'),  # transformers, open_clip, ...
}


def named(path):
    return str(path.relative_to(ROOT))


def without_code(text):
    return re.sub(r'^```.*?^```$', '', text, flags=re.MULTILINE | re.DOTALL)


def test_the_prose_is_short():
    lines = [line for path in DOCS for line in without_code(path.read_text()).splitlines()]
    words = sum(len(line.split()) for line in lines if not line.startswith(('|', '    ')))
    assert words <= MOST_WORDS, f'docs/ has {words} words beside tables and code'


@pytest.mark.parametrize('path', PAGES, ids=named)
def test_links_lead_somewhere(path):
    for target in re.findall(r'\]\(([^)\s]+)\)', without_code(path.read_text())):
        file, _, anchor = target.partition('#')
        if file.startswith(('http://', 'https://')):
            continue
        there = path.parent / file if file else path
        assert there.exists(), f'{named(path)}: {target}'
        if anchor:
            headings = re.findall(r'^#+ (.+)$', there.read_text(), flags=re.MULTILINE)
            assert anchor in {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('path', PAGES, ids=named)
def test_named_files_and_folders_exist(path):
    for file in re.findall(rf'(?<![\w/])((?:{"|".join(FOLDERS)})/[\w/.]*)(?![\w/.]*[<{{*])', path.read_text()):
        file = file.rstrip('.')
        assert (ROOT / file).exists() or (path.parent / file).exists(), f'{named(path)}: {file}'


@pytest.mark.parametrize('path', [path for path in PAGES if path.name != 'CHANGELOG.md'], ids=named)
def test_named_scripts_exist(path):
    """Those that are named without their folder."""
    names = {file.name for file in CODE} | {
        file.name for file in (*SCRIPTS, *ROOT.glob('tools/*.sh'), *ROOT.glob('*.py'))
    }
    code = re.findall(r'`([^`\n]+)`', without_code(path.read_text()))
    for name in re.findall(r'(?<![\w/])\w+\.(?:py|sh)\b', ' '.join(code)):
        assert name in names, f'{named(path)}: {name}'


@pytest.fixture(scope='module')
def classes():
    """The names of the classes of this project."""
    return {
        node.name for path in CODE for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)
    }


@pytest.mark.parametrize('path', PAGES, ids=named)
def test_named_classes_exist(path, classes):
    text = path.read_text()
    classes = classes | OTHERS | set(re.findall(r'^class (\w+)', text, flags=re.MULTILINE))
    removed = re.search(r'^### Removed\n.*?(?=^###)', text, flags=re.MULTILINE | re.DOTALL)
    text = without_code(text.replace(removed.group(), '') if removed else text)
    for span in re.findall(r'`([^`\n]+)`', text):
        for name in re.findall(r'\b(?:[A-Z][a-z0-9]+|[A-Z]{2,}[a-z]+)(?:[A-Z]+[a-z0-9]*)+\b', span):
            assert name in classes, f'{named(path)}: {name}'


LIBRARY = [path for path in CODE if path.relative_to(ROOT).parts[0] in ('sacl_mm', 'configs', 'projects')]


@pytest.mark.parametrize('path', [*PAGES, *LIBRARY], ids=named)
def test_dotted_names_exist(path, classes):
    """`sacl_mm.x.y`, in documents and in docstrings; `sacl_mm.Class` is the name of what is registered."""
    for name in re.findall(r'\bsacl_mm(?:\.\w+)+', path.read_text()):
        part, *rest = name.split('.')[1:]
        if part in classes and not rest:
            continue
        try:
            pkgutil.resolve_name(name)
        except (ImportError, AttributeError) as error:
            raise AssertionError(f'{named(path)}: {name} ({error})') from None


def test_code_names_documents_that_exist():
    for path in CODE:
        for file in re.findall(r'\bdocs/\w+\.md', path.read_text()):
            assert (ROOT / file).is_file(), f'{named(path)}: {file}'


@pytest.mark.parametrize('path', PAGES, ids=named)
def test_rows_of_a_table_have_equally_many_cells(path):
    width = None
    for line in without_code(path.read_text()).splitlines():
        if not line.startswith('|'):
            width = None
            continue
        cells = len(re.findall(r'(?<!\\)\|', line)) - 1
        assert width in (None, cells), f'{named(path)}: {line}'
        width = cells


@pytest.mark.parametrize('folder', ['sacl', 'shape_world', 'flickr8k', 'daquar'])
def test_each_configuration_has_a_row_in_its_folders_table(folder):
    rows = re.findall(r'^\| `(\w+\.py)` \|', (ROOT / f'configs/{folder}/README.md').read_text(), flags=re.MULTILINE)
    assert sorted(rows) == sorted(path.name for path in (ROOT / f'configs/{folder}').glob('*.py'))


def rows_of_results():
    rows = defaultdict(list)
    for line in (ROOT / 'docs/results.md').read_text().splitlines():
        if line.startswith('| '):
            label, *cells = (cell.strip() for cell in line.replace('**', '').strip('|').split('|'))
            rows[label].append(cells)
    return rows


def test_configurations_in_the_results_exist():
    for label, rows in rows_of_results().items():
        for cell in (cell for cells in rows for cell in cells):
            if re.fullmatch(r'\w+/\w+', cell):
                assert (ROOT / f'configs/{cell}.py').is_file(), f'{label}: {cell}'


@pytest.mark.parametrize('path', sorted((ROOT / 'docs/results').glob('*.csv')), ids=named)
def test_means_are_those_of_the_seeds(path):
    values = defaultdict(list)
    with path.open(newline='') as file:
        for line in csv.DictReader(file):
            values[line['row'], line['measure']].append(float(line['value']))
    shown = rows_of_results()
    for (row, measure), seeds in values.items():
        mean, deviation = statistics.mean(seeds), statistics.stdev(seeds) if len(seeds) > 1 else 0.0
        pairs = [
            (float(a), float(b or 0))
            for cells in shown[row]
            for a, b in re.findall(r'(\d+\.\d+)(?: ± (\d+\.\d+))?', ' '.join(cells))
        ]
        near = [pair for pair in pairs if abs(pair[0] - mean) < ROUNDING and abs(pair[1] - deviation) < ROUNDING]
        assert near, f'{row}, {measure}: {mean:.2f} ± {deviation:.2f}, shown are {pairs}'


def test_each_script_belongs_to_a_table():
    linked = re.findall(r'\(reproduce/(\w+\.sh)\)', (ROOT / 'docs/results.md').read_text())
    assert sorted(linked) == [path.name for path in SCRIPTS]


@pytest.mark.parametrize('path', SCRIPTS, ids=named)
def test_scripts_name_tools_configurations_and_settings_that_exist(path, tmp_path):
    """The script runs with a `python` that writes down what it is asked for."""
    python, calls = tmp_path / 'python', tmp_path / 'calls'
    python.write_text(
        f'#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done | tr "\\n" "\\t" >> {shlex.quote(str(calls))}\n'
        f'echo >> {shlex.quote(str(calls))}\n'
    )
    python.chmod(0o755)
    given = dict.fromkeys(('FLICKR8K', 'MINILM', 'RESNET50', 'DAQUAR'), 'x')
    environment = {
        **os.environ,
        **given,
        'PATH': f'{tmp_path}{os.pathsep}{os.environ["PATH"]}',
        'W': str(tmp_path / 'runs'),
    }
    assert path.read_text().startswith('#!/usr/bin/env bash\n')
    assert '\nset -euo pipefail\n' in path.read_text()
    subprocess.run(['bash', str(path)], env=environment, check=True, timeout=60)
    asked = {}
    for tool, *arguments in (line.rstrip('\t').split('\t') for line in calls.read_text().splitlines()):
        assert (ROOT / tool).is_file(), tool
        if arguments[0].startswith('configs/'):
            options = arguments[arguments.index('--cfg-options') + 1 :] if '--cfg-options' in arguments else []
            asked.setdefault(arguments[0], {}).update(option.split('=', 1) for option in options)
    for config, options in asked.items():
        check_config(Config.fromfile(ROOT / config), options)


def test_pre_commit_runs_what_make_lint_runs():
    hooks = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos'][0]['hooks']
    recipe = (ROOT / 'Makefile').read_text().split('\nlint:')[1].split('\n\n')[0]
    assert [hook['entry'].split() for hook in hooks] == [
        command.replace(' .', '').split() for command in re.findall(r'\$\(VENV\)/bin/(.+)', recipe)
    ]
