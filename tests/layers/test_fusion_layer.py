import pytest
import torch

from sacl_mm.layers import CrossAttention, FusionLayer, SelfAttention


def naive_attention(query, key, value, mask):
    """One row, one head at a time; (L, D), (N, D), (N, D), (N,)."""
    scores = query @ key.t() / query.shape[1] ** 0.5
    return scores.masked_fill(~mask, -torch.inf).softmax(1) @ value


def naive_heads(module, x, y, mask, heads=2):
    rows = []
    for b in range(len(x)):
        q, k, v = module.query(x[b]), module.key(y[b]), module.value(y[b])
        parts = [naive_attention(*(t.chunk(heads, 1)[h] for t in (q, k, v)), mask[b]) for h in range(heads)]
        rows.append(module.output(torch.cat(parts, 1)))
    return torch.stack(rows)


def test_self_attention_equals_plain_loops():
    torch.manual_seed(0)
    module, x = SelfAttention(8, 2), torch.randn(3, 5, 8)
    mask = torch.arange(5) < torch.tensor([[5], [3], [1]])
    torch.testing.assert_close(module(x, mask), naive_heads(module, x, x, mask))


def test_shared_keys_and_values_equal_projecting_each_pair():
    torch.manual_seed(0)
    module, text, images = CrossAttention(8, 12, 2), torch.randn(6, 5, 8), torch.randn(3, 7, 12)
    image = torch.tensor([2, 0, 0, 1, 2, 2])  # repeats and permutes
    shared = module(text, module.project(images).rows(image))
    expected = naive_heads(module, text, images[image], torch.ones(6, 7, dtype=torch.bool))
    torch.testing.assert_close(shared, expected)


def test_padding_changes_nothing():
    torch.manual_seed(0)
    layer = FusionLayer(8, 12, 2, 16).eval()
    text, mask, images = torch.randn(2, 4, 8), torch.ones(2, 4, dtype=torch.bool), torch.randn(2, 7, 12)
    key_value = layer.cross_attention.project(images)
    short = layer(text, mask, key_value)
    padded = torch.cat([text, torch.randn(2, 3, 8)], 1), torch.nn.functional.pad(mask, (0, 3))
    torch.testing.assert_close(layer(*padded, key_value)[:, :4], short)


@pytest.mark.parametrize(
    ('image_index', 'met'),
    [(None, [0, 1, 2, 0, 1, 2]), (torch.tensor([2, 1, 1, 0]), [2, 1, 1, 0])],
    ids=['in turn', 'by index'],
)
def test_padded_images_however_texts_meet_them(image_index, met):
    torch.manual_seed(0)
    module, images, lengths = CrossAttention(8, 12, 2), torch.randn(3, 7, 12), torch.tensor([3, 7, 5])
    text, mask_PN = torch.randn(len(met), 5, 8), torch.arange(7) < lengths[:, None]
    read = module(text, module.project(images), image_index, mask_PN)
    for row, text_1LC, image in zip(read, text.split(1), met, strict=True):
        alone = module.project(images[image : image + 1, : lengths[image]])
        torch.testing.assert_close(row, module(text_1LC, alone)[0])


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    layer = FusionLayer(8, 12, 2, 16, dropout=0.5)
    text, mask, images = torch.randn(2, 4, 8), torch.ones(2, 4, dtype=torch.bool), torch.randn(2, 7, 12)
    run = lambda: layer(text, mask, layer.cross_attention.project(images))  # noqa: E731
    assert not torch.equal(run(), run())
    layer.eval()
    assert torch.equal(run(), run())


def test_random_weights_keep_the_size_of_outputs_at_any_width():
    from sacl_mm.layers.initialisation import init_as_bert

    torch.manual_seed(0)
    sizes = []
    for width in (64, 768):
        linear = torch.nn.Linear(width, width)
        init_as_bert(linear, width)
        assert not linear.bias.any()
        sizes.append(linear(torch.randn(500, width)).std().item())
    assert abs(sizes[0] / sizes[1] - 1) < 0.05
    assert abs(linear.weight.std().item() / 0.02 - 1) < 0.01


def test_texts_of_one_image_share_it_without_copies():
    torch.manual_seed(0)
    layer = FusionLayer(16, 12, heads=2, hidden=32).double()
    x_BLC, image = torch.randn(5, 4, 16).double(), torch.randn(1, 7, 12).double()
    mask = torch.arange(4) < torch.tensor([4, 2, 1, 3, 4])[:, None]
    one = layer.cross_attention.project(image)
    repeated = layer(x_BLC, mask, one.rows(torch.zeros(5, dtype=torch.long)))
    torch.testing.assert_close(layer(x_BLC, mask, one), repeated)
