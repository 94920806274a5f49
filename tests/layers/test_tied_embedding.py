"""An embedding that a head is tied to: the gradient of both uses is PyTorch's, and is made in one tensor."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from sacl_mm.layers.tied_embedding import TiedEmbedding

VOCAB, WIDTH, IDS = 5000, 16, torch.tensor([[3, 7, 7, 0], [4999, 3, 0, 0]])


class Model(nn.Module):
    def __init__(self, dtype=torch.float64):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(VOCAB, WIDTH, padding_idx=0, dtype=dtype)
        self.layer = nn.Linear(WIDTH, WIDTH, dtype=dtype)
        self.bias = nn.Parameter(torch.randn(VOCAB, dtype=dtype))

    def encode(self, ids=IDS):
        return self.layer(self.embedding(ids)).sin()

    def losses(self, rows=slice(3), tied=True, encode=None):
        words = TiedEmbedding(self.embedding)
        encode = encode or self.encode
        if tied:
            with words.looked_up():
                tokens = encode()
        else:
            tokens = encode()
        hidden = tokens.flatten(0, 1).repeat(5, 1)[rows]
        logits = words.linear(hidden, self.bias) if tied else F.linear(hidden, self.embedding.weight, self.bias)
        return hidden, logits.log_softmax(dim=1)[:, 7].sum(), tokens.square().sum()


def gradients(model, loss):
    return torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)


@pytest.mark.parametrize('rows', [slice(3), slice(WIDTH + 1)], ids=['few rows', 'more rows than columns'])
def test_the_gradient_is_pytorchs(rows):
    model = Model()
    found, expected = (model.losses(rows, tied) for tied in (True, False))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        gradients(model, found[1] + found[2]), gradients(model, expected[1] + expected[2]), rtol=1e-12, atol=1e-12
    )


def test_each_loss_alone_and_the_head_alone():
    model = Model()
    hidden, of_head, of_tokens = model.losses()
    plain_hidden, plain_of_head, plain_of_tokens = model.losses(tied=False)
    # What the head leaves for the look-up in a backward pass that does not come to it must not turn up in a later one.
    found = torch.autograd.grad(of_head, hidden, retain_graph=True)
    torch.testing.assert_close(found, torch.autograd.grad(plain_of_head, plain_hidden, retain_graph=True))
    for loss, plain in ((of_tokens, plain_of_tokens), (of_head, plain_of_head), (of_head, plain_of_head)):
        found = torch.autograd.grad(loss, model.embedding.weight, retain_graph=True)
        torch.testing.assert_close(found, torch.autograd.grad(plain, model.embedding.weight, retain_graph=True))


@pytest.mark.parametrize('case', ['checkpointed', 'looked up twice', 'without gradient', 'frozen'])
def test_where_little_or_nothing_is_tied(case):
    model = Model()
    if case == 'frozen':
        model.embedding.requires_grad_(False)
    encode = {
        'checkpointed': lambda: checkpoint(model.encode, IDS, use_reentrant=False),
        'looked up twice': lambda: model.encode(IDS[:1]) + model.encode(IDS[1:]),
    }.get(case, model.encode)
    with torch.set_grad_enabled(case != 'without gradient'):
        found, expected = (model.losses(tied=tied, encode=encode) for tied in (True, False))
    torch.testing.assert_close(found, expected)
    if case != 'without gradient':
        wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
        torch.testing.assert_close(
            torch.autograd.grad(found[1] + found[2], wanted), torch.autograd.grad(expected[1] + expected[2], wanted)
        )


def test_the_gradient_is_the_same_every_time():
    embedding = nn.Embedding(100, 768)
    ids = torch.randint(50, (480,))
    weight = torch.randn(480, 768)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    found = []
    for _ in range(20):
        with TiedEmbedding(embedding).looked_up():
            (gradient,) = torch.autograd.grad((embedding(ids) * weight).sum(), embedding.weight)
        found.append(gradient)
    torch.set_num_threads(threads)
    assert all(torch.equal(gradient, found[0]) for gradient in found)


def test_in_mixed_precision():
    model = Model(torch.float32)
    with torch.autocast('cpu', torch.bfloat16):
        (_, *found), (_, *expected) = (model.losses(tied=tied) for tied in (True, False))
    torch.testing.assert_close(found, expected)
    found, expected = (gradients(model, sum(losses)) for losses in (found, expected))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() <= 0.01 * theirs.norm()


def test_one_tensor_as_large_as_the_vocabulary_is_made():
    class Large(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out.shape in ((VOCAB, WIDTH), (WIDTH, VOCAB)) and not function.is_view:
                made.append(function._schema.name)
            return out

    model = Model()
    for tied, count in ((True, 1), (False, 3)):  # the head's, the look-up's, their sum
        made = []
        _, of_head, of_tokens = model.losses(tied=tied)
        with Large():
            (of_head + of_tokens).backward()
        made = [name for name in made if not name.endswith(('detach', '_'))]  # no copies, and in place
        assert len(made) == count, made
        model.zero_grad()
