"""Every place that loads something is known, and is in a test of payloads (test_payloads.py, test_annotation_payloads.py).

A new call fails here: read files of PyTorch with `sacl_mm.checkpoints.read_plain`, tables and text as JSON or lines. If it has
to be a call of its own, try a payload at it in one of them, and add it here with the reason.
"""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Functions that may run what they read, or that read what others may run; by the last part of the name.
LOADERS = {
    *(
        'load',
        'loads',
        'load_all',
        'load_file',
        'load_from_file',
        'load_checkpoint',
        'load_url',
        'safe_load',
        'safe_open',
    ),
    *(
        'ParquetFile',
        'Unpickler',
        'read_pickle',
        'fromfile',
        'fromstring',
        'from_pretrained',
        'memmap',
        'open_memmap',
        'genfromtxt',
        'loadtxt',
    ),
    *(
        '__import__',
        'import_module',
        'import_modules_from_strings',
        'run_path',
        'run_module',
        'load_state_dict_from_url',
    ),
}
BUILTINS = {'exec', 'eval', 'compile', '__import__'}  # as methods they are something else
DATA_ONLY = ('json.',)
MODULES = {'pickle', 'cPickle', 'dill', 'cloudpickle', 'joblib', 'marshal', 'shelve', 'yaml', 'ruamel', 'h5py'}

PLACES = {
    'sacl_mm/checkpoints/files.py': {'torch.load': 'weights-only', 'safetensors.torch.load_file': 'data'},
    # Before pyarrow 14.0.1 a type could be code.
    'sacl_mm/datasets/archives/parquet_archive.py': {'parquet.ParquetFile': 'data'},
    'sacl_mm/datasets/pixels.py': {'image.load': 'pixels'},
    'sacl_mm/inference/feature_file.py': {'arrow.parquet.ParquetFile': 'data'},
    'sacl_mm/datasets/pretrained_tokenizer.py': {
        'AutoConfig.from_pretrained': 'JSON',
        'AutoTokenizer.from_pretrained': 'JSON',
    },
    'sacl_mm/datasets/transforms/load_grid.py': {'np.lib.format.open_memmap': 'pickle-free'},
    'sacl_mm/datasets/transforms/pretrained_image.py': {'AutoImageProcessor.from_pretrained': 'JSON'},
    'sacl_mm/engine/checks/config_file.py': {
        'Config.fromfile': 'configuration',
        'import_modules_from_strings': 'configuration',
        'mmengine.load': 'configuration',
    },
    'sacl_mm/engine/runner/resumable_runner.py': {'super().load_checkpoint': 'read_plain'},
    'sacl_mm/layers/bert_checkpoint.py': {
        'BertConfig.from_pretrained': 'JSON',
        'BertModel.from_pretrained': 'safetensors',
    },
    'sacl_mm/models/__init__.py': {'import_module': 'ours'},
    'sacl_mm/models/dual_encoder.py': {'self.reference.load': 'read_plain'},
    'sacl_mm/models/pretrained/hugging_face.py': {
        'AutoConfig.from_pretrained': 'JSON',
        'AutoModel.from_pretrained': 'safetensors',
        'part.from_pretrained': 'JSON',  # AutoTokenizer, AutoImageProcessor
    },
    'sacl_mm/report/retrieval.py': {'model.reference.load': 'read_plain'},
    'tools/benchmarks/cpu_kernels.py': {'Config.fromfile': 'configuration'},
    'tools/benchmarks/identical_steps.py': {'Config.fromfile': 'configuration', 'model.reference.load': 'read_plain'},
    'tools/benchmarks/pretraining_step.py': {'Config.fromfile': 'configuration'},
    'tools/benchmarks/sharding.py': {'Config.fromfile': 'configuration'},
    'tools/benchmarks/speed_quality.py': {'Config.fromfile': 'configuration'},
    'tools/demo.py': {'Config.fromfile': 'configuration'},
    'tools/fault_tests/guard_cost.py': {'runpy.run_path': 'ours'},  # tools/train.py
    'tools/fault_tests/kill_and_resume.py': {'runpy.run_path': 'ours'},  # tools/train.py
    'tools/benchmarks/albef_code.py': {'import_module': 'code'},  # ALBEF's, which is what the tool is for
}


def loading_calls(source: str) -> set[str]:
    """Calls of a loader, and imports of a module that unpickles."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            last = name.rpartition('.')[2]
            if (last in LOADERS and not name.startswith(DATA_ONLY)) or name in BUILTINS:
                found.add(name)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split('.')[0] in MODULES}
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names} & LOADERS  # their calls would not be told from others
            found |= (
                {node.module} if node.module.split('.')[0] in MODULES or (names and node.module == 'torch') else set()
            )
    return found


FILES = [path for folder in ('sacl_mm', 'tools') for path in sorted((ROOT / folder).rglob('*.py'))]


def test_every_place_that_loads_something_is_known():
    found = {str(path.relative_to(ROOT)): loading_calls(path.read_text()) for path in FILES}
    assert {path: calls for path, calls in found.items() if calls} == {
        path: set(calls) for path, calls in PLACES.items()
    }


def test_only_one_place_reads_checkpoints():
    reasons = Counter(reason for calls in PLACES.values() for reason in calls.values())
    assert reasons['weights-only'] == reasons['pickle-free'] == reasons['code'] == 1


@pytest.mark.parametrize(
    'source',
    [
        'torch.load(path)',
        'torch.load(path, weights_only=True)',
        'from torch import load',
        'torch.jit.load(path)',
        'import pickle',
        'from pickle import loads',
        'pickle.Unpickler(file).load()',
        'import yaml',
        'yaml.load(file, Loader)',
        'mmengine.load(path)',
        'np.load(path, allow_pickle=True)',
        'numpy.fromfile(path)',
        'pandas.read_pickle(path)',
        'Config.fromstring(text)',
        'Config.fromfile(path)',
        'exec(text)',
        'eval(text)',
        'compile(text, path, "exec")',
        '__import__(name)',
        'importlib.import_module(name)',
        'runpy.run_path(path)',
        'AutoModel.from_pretrained(path)',
        'mmengine.runner.load_checkpoint(model, path)',
        'runner.load_checkpoint(path)',
        'safetensors.torch.load_file(path)',
        'with safetensors.safe_open(path) as file: pass',
        'torch.hub.load(repository)',
        'torch.hub.load_state_dict_from_url(address)',
        'import joblib, os',
        'from marshal import loads',
    ],
)
def test_the_search_finds(source):
    assert loading_calls(source)


@pytest.mark.parametrize(
    'source',
    ['model.eval()', 're.compile(text)', 'json.load(file)', 'json.loads(text)', 'torch.compile(model)', 'import json'],
)
def test_the_search_leaves_out(source):
    assert not loading_calls(source)
