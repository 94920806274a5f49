"""What the three examples share: drawn images with two captions each, token ids, and the lines that they print."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sacl_mm.datasets.shape_world import ShapeWorld, shape_world_vocabulary
from sacl_mm.datasets.tokenizer import WordPieceTokenizer

VOCABULARY = shape_world_vocabulary()
END = len(VOCABULARY)  # the highest id: CLIP's text encoder reads its features there
LENGTH = 32  # in tokens


def drawn_pairs(images: int, image_size: int = 32) -> tuple[Tensor, list[str], Tensor]:
    """Each image twice, with one of its two captions: images (N, 3, S, S) in [-1, 1], captions, image ids (N,)."""
    world = ShapeWorld(num_images=images, image_size=image_size, captions_per_image=2, test_mode=True)
    pairs = [(sample['img'], text, sample['image_id']) for sample in world for text in sample['text']]
    pixels = torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image, _, _ in pairs])
    return pixels / 127.5 - 1, [text for _, text, _ in pairs], torch.tensor([number for _, _, number in pairs])


def token_ids(captions: Sequence[str]) -> Tensor:
    """(N, LENGTH), each caption with `END` after its last token, then zeros."""
    tokenizer = WordPieceTokenizer(VOCABULARY)
    ids = torch.zeros(len(captions), LENGTH, dtype=torch.long)
    for row, caption in zip(ids, captions, strict=True):
        tokens = [*tokenizer.encode(caption, LENGTH - 1), END]
        row[: len(tokens)] = torch.tensor(tokens)
    return ids


def show(when: str, loss: Tensor, about: dict[str, Tensor]) -> None:
    """The loss, and the weights that it gave to the negatives of images."""
    low, middle, high = (about[f'i2t/weight_{name}'].item() for name in ('q05', 'q50', 'q95'))
    print(
        f'{when}: loss {loss.item():.3f}; weights of negatives, quantiles 5/50/95 %: {low:.2f} {middle:.2f} {high:.2f}'
    )
