"""The package as a whole: what importing it does, which way its imports point, how it installs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sacl_mm import compatibility

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'sacl_mm'

# From the ground up; a module may import its own layer and those before it. `beside` names layers that must not meet.
LAYERS = [
    (
        'sacl_mm.build_errors',
        'sacl_mm.command_line',
        'sacl_mm.compatibility',
        'sacl_mm.console',
        'sacl_mm.pretrained_models',
        'sacl_mm.progress',
        'sacl_mm.reading_report',
        'sacl_mm.registry',
        'sacl_mm.user_error',
    ),
    ('sacl_mm.functional', 'sacl_mm.checkpoints'),
    ('sacl_mm.cpu', 'sacl_mm.layers'),
    ('sacl_mm.models.losses',),
    (
        'sacl_mm.models.backbones',
        'sacl_mm.models.data_preprocessor',
        'sacl_mm.models.finite_steps',
        'sacl_mm.models.hard_negatives',
        'sacl_mm.models.fusion',
        'sacl_mm.models.heads',
        'sacl_mm.models.momentum',
        'sacl_mm.models.necks',
        'sacl_mm.models.negative_queue',
        'sacl_mm.models.part_sizes',
        'sacl_mm.models.starting_weights',
        'sacl_mm.models.strict_loading',
        'sacl_mm.models.text_encoders',
        'sacl_mm.models.vision_language_model',
    ),
    ('sacl_mm.models.two_tower',),
    ('sacl_mm.models.feature_towers',),
    ('sacl_mm.models.reference', 'sacl_mm.models.evidence', 'sacl_mm.models.dual_encoder'),
    ('sacl_mm.models.nlvr2', 'sacl_mm.models.retrieval', 'sacl_mm.models.vqa'),
    ('sacl_mm.models',),
    ('sacl_mm.datasets', 'sacl_mm.evaluation'),
    ('sacl_mm.engine.checks',),
    (
        'sacl_mm.engine.agreement',
        'sacl_mm.engine.interruption',
        'sacl_mm.engine.optimizers',
        'sacl_mm.engine.terminal',
        'sacl_mm.engine.work_dir',
    ),
    ('sacl_mm.engine.hooks', 'sacl_mm.engine.terminal'),
    ('sacl_mm.engine.runner',),
    ('sacl_mm.engine',),
    ('sacl_mm.inference', 'sacl_mm.own_images'),
    ('sacl_mm.report',),
    ('sacl_mm.app',),
]
SIBLINGS_STRANGERS = [
    *({'sacl_mm.cpu', 'sacl_mm.' + name} for name in ('layers', 'models', 'datasets', 'evaluation', 'engine')),
    {'sacl_mm.models.' + name for name in ('backbones', 'fusion', 'heads', 'losses', 'necks', 'text_encoders')},
    {'sacl_mm.models', 'sacl_mm.datasets'},
    {'sacl_mm.models', 'sacl_mm.evaluation'},
    {'sacl_mm.datasets', 'sacl_mm.evaluation'},
    {'sacl_mm.engine', 'sacl_mm.datasets'},
]


def module_name(path: Path) -> str:
    return '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            names |= {node.module} | {f'{node.module}.{alias.name}' for alias in node.names}
    return {name for name in names if name.startswith('sacl_mm.') or name == 'sacl_mm'}


def within(name: str, group: str) -> bool:
    return name == group or name.startswith(group + '.')


def layer_of(name: str) -> int:
    fitting = [(len(g), i) for i, groups in enumerate(LAYERS) for g in groups if within(name, g)]
    assert fitting, f'{name} belongs to no layer: add it to LAYERS'
    return max(fitting)[1]


FILES = [path for path in sorted(PACKAGE.rglob('*.py')) if path != PACKAGE / '__init__.py']


@pytest.mark.parametrize('path', FILES, ids=module_name)
def test_imports_point_down_and_siblings_are_strangers(path):
    name = module_name(path)
    for other in imported(path) - {'sacl_mm'}:
        assert layer_of(other) <= layer_of(name), f'{name} imports {other}, which is above it'
        for strangers in SIBLINGS_STRANGERS:
            mine = {group for group in strangers if within(name, group)}
            theirs = {group for group in strangers if within(other, group)}
            assert not mine or not theirs or mine == theirs, f'{name} imports {other}: they must not know each other'


def test_the_check_of_directions_can_fail():
    assert (
        layer_of('sacl_mm.functional.ranking') < layer_of('sacl_mm.models.pretrain') < layer_of('sacl_mm.engine.launch')
    )
    with pytest.raises(AssertionError, match='belongs to no layer'):
        layer_of('sacl_mm.elsewhere')


def run(code: str) -> str:
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_no_other_library_and_registers_it():
    heavy = run(
        'import sys, sacl_mm\n'
        'others = ("torch", "mmengine", "mmcv", "mmpretrain", "transformers", "torchvision", "cv2")\n'
        'print([name for name in others if name in sys.modules])\n'
        'from mmengine.registry import MODELS\n'
        'print(MODELS.build(dict(type="sacl_mm.SACLContrastiveLoss", policy=dict(type="InfoNCE"))).policy)'
    )
    assert heavy.splitlines() == ['[]', 'InfoNCE()']


def test_the_losses_need_torch_alone():
    step = (
        'from sacl_mm.models.losses import SACLContrastiveLoss\nSACLContrastiveLoss()(*torch.randn(2, 4, 8)).backward\n'
    )
    others = ('mmengine', 'mmcv', 'mmpretrain', 'transformers', 'torchvision')
    run(f'import sys, torch\nsys.modules.update(dict.fromkeys({others}))\n{step}')
    assert run(f'import sys, torch\n{step}print([x for x in {others} if x in sys.modules])').strip() == '[]'


def registered(path: Path) -> set[tuple[str, str]]:
    """(registry, class) of what a file registers."""
    return {
        (decorator.func.value.id, node.name)
        for node in ast.walk(ast.parse(path.read_text()))
        for decorator in getattr(node, 'decorator_list', [])
        if isinstance(decorator, ast.Call) and getattr(decorator.func, 'attr', None) == 'register_module'
    }


def test_all_that_is_registered_is_found_by_name_once_the_package_is_imported():
    names = set().union(*map(registered, PACKAGE.rglob('*.py')))
    assert {('MODELS', 'TokenReducedViT'), ('HOOKS', 'PlainCheckpointHook')} < names
    out = run(
        'import sacl_mm, mmengine.registry as root\n'
        f'print([x for x in {sorted(names)} if getattr(root, x[0]).get("sacl_mm." + x[1]) is None])'
    )
    assert out.splitlines()[-1] == '[]'


def test_torchvision_imports_and_its_operators_are_what_they_were():
    code = 'import sacl_mm, torchvision.transforms, torchvision.extension; print(torchvision.extension._has_ops())'
    assert run(code).strip() in ('True', 'False')
    compatibility.declare_missing_torchvision_operators()  # once more: nothing to do
    assert hasattr(torch.ops.torchvision, 'nms')


def test_mmpretrain_loads_with_one_clear_warning_at_most():
    out = run(
        'import warnings\n'
        'from sacl_mm.compatibility import load_mmpretrain, mmpretrain_multimodal_models_load\n'
        'with warnings.catch_warnings(record=True) as caught:\n'
        '    warnings.simplefilter("always")\n'
        '    load_mmpretrain(); load_mmpretrain()\n'
        'ours = [str(w.message) for w in caught if "multimodal" in str(w.message)]\n'
        'assert len(ours) == (0 if mmpretrain_multimodal_models_load() else 1), ours\n'
        'from mmpretrain.registry import MODELS\n'
        'print(MODELS.get("VisionTransformer").__name__, isinstance(MODELS.get("BlipRetrieval"), type))'
    )
    # Where mmpretrain's multimodal models cannot load, their names are placeholders that say so when built.
    assert out.split() == ['VisionTransformer', str(compatibility.mmpretrain_multimodal_models_load())]


def test_the_lock_allows_what_setup_asks_for():
    locked = {re.split('[=<>;]', line)[0].lower() for line in (ROOT / 'requirements/lock.txt').read_text().splitlines()}
    wanted = {
        re.split('[=<>;,]', line)[0].lower() for line in (ROOT / 'requirements/runtime.txt').read_text().splitlines()
    }
    assert {name for name in wanted if name and not name.startswith('#')} <= locked
