"""The host waits for a GPU where the code says so, and nowhere else. Checked without a GPU: tensors claim to be on one."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_downstream import build_pair, build_vqa, pairs, questions
from test_pretrain import FULL
from tiny import MERGING, TOWERS, batch, build, model_config
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import sacl_mm
from sacl_mm.models.vision_language_model import VisionLanguageModel
from sacl_mm.registry import MODELS

PACKAGE = Path(sacl_mm.__file__).parent
# The size of what they return, or a value that Python reads, is known to the GPU alone.
WAITING = ('_local_scalar_dense', 'nonzero', 'masked_select', 'equal', 'bincount', 'isin', '_unique', 'unique')
INDEXING = ('index', 'index_put', 'index_put_', '_index_put_impl_')
# Lines that may wait, as `file: code`, and why.
ALLOWED = {
    'models/pretrain.py: place_T = masked.predict_BL.flatten().nonzero()[:, 0]': 'how many tokens are masked is drawn',
    'models/heads/answer_decoder.py: place_T = mask_AL[:, 1:].flatten().nonzero()[:, 0]': (
        'how many tokens the answers have; padding is spared the vocabulary'
    ),
    'functional/length_buckets.py: lengths = torch.stack([of_bucket[0] for of_bucket in length_B.chunk(buckets)]).tolist()': (
        'how long the texts of each bucket are; an option for CPUs'
    ),
    'functional/contrastive.py: weights = log_weights_AM[::step][negative_AM[::step]].exp()': (
        'how many negatives there are; once in diagnostics_interval iterations'
    ),
}


class ClaimsToBeOnAGPU(TorchFunctionMode):
    """Every tensor's `device` is 'cuda', and what is made there is made on the CPU; counts copies to the host, by line."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: Counter[str] = Counter()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func == torch.Tensor.device.__get__:
            return torch.device('cuda')
        if func in (torch.Tensor.cpu, torch.Tensor.numpy, torch.Tensor.tolist):
            self.copies[place()] += 1
        kwargs = {name: on_cpu(value) for name, value in (kwargs or {}).items()}
        return func(*map(on_cpu, args), **kwargs)


def on_cpu(value):
    return torch.device('cpu') if isinstance(value, torch.device) and value.type == 'cuda' else value


class Waits(TorchDispatchMode):
    """Counts operations for whose result the host must wait for a GPU, by line."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        is_waited_for = name.startswith(WAITING)
        if name in INDEXING:
            is_waited_for = any(x is not None and x.dtype in (torch.bool, torch.uint8) for x in args[1])
        elif name == 'repeat_interleave':
            is_waited_for = (kwargs or {}).get('output_size') is None
        if is_waited_for:
            self.lines[place()] += 1
        return func(*args, **(kwargs or {}))


def place() -> str:
    """`file: code` of the innermost line of sacl_mm that runs; autograd's own steps are of none."""
    frame = sys._getframe()
    while frame is not None and PACKAGE not in Path(frame.f_code.co_filename).parents:
        frame = frame.f_back
    if frame is None:
        return 'no line of sacl_mm'
    path = Path(frame.f_code.co_filename)
    code = path.read_text().splitlines()[frame.f_lineno - 1].strip()
    return f'{path.relative_to(PACKAGE)}: {code}'


def waits(compute: Callable[[], object]) -> Counter[str]:
    with ClaimsToBeOnAGPU() as device, Waits() as waited:
        compute()
    return waited.lines + device.copies


def train(model: VisionLanguageModel, data: dict) -> Callable[[], None]:
    """Forward, backward, and the updates of teacher and queue."""

    def compute() -> None:
        loss = sum(value for name, value in model.loss(data).items() if name.startswith('loss'))
        torch.autograd.backward(loss)  # `loss.backward()` would leave the mode in which tensors claim a GPU
        model.after_step()

    model.start_teacher()
    model.set_progress(1, 10, seed=0)
    return compute


def pretraining(**changes):
    model = build(**(FULL | changes))
    return train(model, batch(model))


def in_buckets():
    towers = dict(TOWERS, text_backbone=dict(TOWERS['text_backbone'], length_buckets=3))
    return pretraining(towers=towers, multimodal_backbone=dict(model_config()['multimodal_backbone'], length_buckets=3))


def without_masked_words(kind, captions=1, left_out=(), **changes):
    config = model_config(**changes)
    config = {
        key: value for key, value in config.items() if key not in ('masked_language_head', 'mask_token', *left_out)
    }
    model = MODELS.build(dict(config, type=kind))
    return train(model, batch(model, captions=captions))


def retrieval():
    return without_masked_words('ImageTextRetrieval', **(FULL | dict(momentum=dict(decay=0.9))))


def contrast():
    fusion = ('multimodal_backbone', 'matching_head', 'queue_size')
    return without_masked_words('DualEncoder', captions=3, left_out=fusion)


def answering():
    model = build_vqa()
    return train(model, questions(model))


def reasoning():
    model = build_pair()
    return train(model, pairs(model))


def assignment():
    model = build_pair(type='TextAssignment')
    return train(model, batch(model))


TRAININGS = {
    'pre-training': pretraining,
    'pre-training with diagnostics': lambda: pretraining(diagnostics_interval=1),
    'pre-training with token merging': lambda: pretraining(towers=dict(TOWERS, vision_backbone=MERGING)),
    'pre-training in buckets of lengths': in_buckets,
    'contrast with several captions': contrast,
    'retrieval': retrieval,
    'question answering': answering,
    'reasoning over two images': reasoning,
    'text assignment': assignment,
}


@pytest.mark.parametrize('make', TRAININGS.values(), ids=TRAININGS)
def test_only_listed_lines_wait_for_the_gpu(make) -> None:
    found = waits(make())
    assert set(found) <= set(ALLOWED), found


def test_listed_lines_are_there() -> None:
    for line in ALLOWED:
        file, code = line.split(': ', 1)
        assert code in (PACKAGE / file).read_text(), line


X, COUNTS = torch.arange(4.0), torch.tensor([1, 2, 0, 1])
WAITED_FOR = {
    'a value': lambda: X.sum().item(),
    'a condition': lambda: bool(X.any()),
    'a number as an index': lambda: range(COUNTS[1]),
    'a list': lambda: X.tolist(),
    'a copy': lambda: X.cpu(),
    'where': lambda: X.nonzero(),
    'unique values': lambda: X.unique(),
    'a selection': lambda: X[X > 1],
    'an assignment to a selection': lambda: X.clone().__setitem__(X > 1, X[:2]),
    'repeated as often as a tensor says': lambda: X.repeat_interleave(COUNTS),
}
AT_ONCE = {
    'rows': lambda: X[COUNTS],
    'an assignment to rows': lambda: X.clone().__setitem__(COUNTS, 0.0),
    'a mask': lambda: X.masked_fill(X > 1, 0.0),
    'repeated to a known length': lambda: X.repeat_interleave(COUNTS, output_size=4),
    'a tensor of its own': lambda: torch.zeros(3, device=X.device),
}


@pytest.mark.parametrize('case', [*WAITED_FOR, *AT_ONCE])
def test_what_is_waited_for(case: str) -> None:
    assert bool(waits((WAITED_FOR | AT_ONCE)[case])) == (case in WAITED_FOR)
