import torch

from sacl_mm.functional.picking import pick


def test_rows_and_their_gradient_are_those_of_indexing():
    x = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    index, weight = torch.tensor([2, 0, 2, 2, 1]), torch.randn(5, 3, 2, dtype=torch.float64)
    assert torch.equal(pick(x, index), x[index])
    found, expected = (torch.autograd.grad((rows * weight).sum(), x)[0] for rows in (pick(x, index), x[index]))
    torch.testing.assert_close(found, expected)


def test_the_gradient_is_the_same_every_time():
    x, index, weight = torch.randn(8, 30, 768, requires_grad=True), torch.tensor([1] * 7 + [0]), torch.randn(8, 30, 768)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    found = [torch.autograd.grad((pick(x, index) * weight).sum(), x)[0] for _ in range(20)]
    torch.set_num_threads(threads)
    assert all(torch.equal(gradient, found[0]) for gradient in found)
