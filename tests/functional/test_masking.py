import torch

from sacl_mm.functional.masking import mask_tokens


def texts(count=400, length=22):
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 89, (count, length), generator=generator)
    lengths = torch.randint(3, length + 1, (count, 1), generator=generator)
    return ids, torch.arange(length) < lengths


def test_only_inner_tokens_are_chosen_and_only_chosen_ones_change():
    ids, mask = texts()
    masked = mask_tokens(ids, mask, torch.arange(400), seed=1, mask_token=4, vocab_size=89)
    last = mask.sum(1) - 1
    assert not masked.predict_BL[:, 0].any()
    assert not masked.predict_BL[~mask].any()
    assert not masked.predict_BL[torch.arange(400), last].any()
    assert torch.equal(masked.token_ids_BL[~masked.predict_BL], ids[~masked.predict_BL])


def test_shares_are_those_of_bert():
    ids, mask = texts(4000)
    masked = mask_tokens(ids, mask, torch.arange(4000), seed=1, mask_token=4, vocab_size=89)
    inner = (mask.sum() - 2 * len(ids)).item()
    chosen = masked.predict_BL
    assert abs(chosen.sum().item() / inner - 0.15) < 0.01
    now, before = masked.token_ids_BL[chosen], ids[chosen]
    assert abs((now == 4).float().mean() - 0.8) < 0.02
    assert abs((now == before).float().mean() - 0.1) < 0.02  # a random token may be the same one, once in 89
    assert now.max() < 89


def test_the_draw_follows_the_text_not_its_place_or_padding():
    ids, mask = texts(50)
    whole = mask_tokens(ids, mask, torch.arange(50), seed=3, mask_token=4, vocab_size=89)
    order = torch.randperm(50)
    moved = mask_tokens(ids[order], mask[order], order, seed=3, mask_token=4, vocab_size=89)
    assert torch.equal(moved.token_ids_BL, whole.token_ids_BL[order])
    padded = torch.nn.functional.pad(ids, (0, 5)), torch.nn.functional.pad(mask, (0, 5))
    longer = mask_tokens(*padded, torch.arange(50), seed=3, mask_token=4, vocab_size=89)
    assert torch.equal(longer.token_ids_BL[:, :22], whole.token_ids_BL)
    other = mask_tokens(ids, mask, torch.arange(50), seed=4, mask_token=4, vocab_size=89)
    assert not torch.equal(other.predict_BL, whole.predict_BL)
