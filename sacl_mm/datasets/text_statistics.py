"""Statistics of a dataset's texts under its tokenizer: unknown words, lengths, and how many texts are cut."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from sacl_mm.datasets.transforms.text import TokenizeText

MOST_UNKNOWN = 0.05  # share of [UNK] above which the vocabulary is hardly meant for the texts


@dataclass(frozen=True)
class TextStatistics:
    """Of a sample of a dataset's texts, as one `TokenizeText` of its pipeline gets them.

    Args:
        field: where the texts stand in a sample, 'text' or 'gt_answer'.
        max_length: of the `TokenizeText`: the longest text that the model can get, in tokens.
        texts: how many were looked at.
        tokens: of all of them, without [CLS] and [SEP], before they are cut.
        unknown: how many of these are [UNK].
        longest: the most tokens of one text, [CLS] and [SEP] included, before it is cut.
        cut: how many texts are longer than `max_length`.
    """

    field: str
    max_length: int
    texts: int
    tokens: int
    unknown: int
    longest: int
    cut: int

    @property
    def unknown_share(self) -> float:
        """Of the tokens, in [0, 1]; 0 without tokens."""
        return self.unknown / max(self.tokens, 1)

    def __str__(self) -> str:
        return (
            f'{self.texts:,} texts ({self.field}): {self.unknown_share:.1%} of their tokens are [UNK], the longest has '
            f'{self.longest} tokens, {self.cut:,} are cut to max_length={self.max_length}'
        )

    def warning(self) -> str | None:
        """The warning for a vocabulary that knows too little; None if there is none."""
        if self.unknown_share <= MOST_UNKNOWN:
            return None
        return (
            f'{self.unknown_share:.1%} of the tokens ({self.field}) are [UNK], which means nothing to the model: is the '
            "tokenizer's vocabulary that of the texts' language and script?"
        )


def text_statistics(dataset: object, most: int = 2000) -> list[TextStatistics]:
    """For each `TokenizeText` in the pipeline, over the texts of at most `most` samples, evenly spread; no image is opened.

    `dataset` may be a wrapper (ConcatDataset, RepeatDataset); equal tokenizers of its parts are counted together. [] for
    what is not tokenized here, such as features computed before.
    """
    parts = list(_parts(dataset))
    return statistics_of_samples((part.pipeline.transforms, _samples(part, most // len(parts))) for part in parts)


def _samples(dataset: BaseDataset, most: int) -> Iterator[dict]:
    for index in range(0, len(dataset), -(-len(dataset) // max(most, 1)) or 1):
        yield BaseDataset.get_data_info(dataset, index)  # a subclass draws the image in its version


def statistics_of_samples(sampled: Iterable[tuple[list, Iterable[dict]]]) -> list[TextStatistics]:
    """The same over given samples, each group with the transforms of its pipeline."""
    counts: dict[tuple[str, str, int], list[int]] = {}
    for transforms, samples in sampled:
        tokenizers = list(_tokenizers(transforms))
        for sample in samples if tokenizers else ():
            for tokenizer, cleaners in tokenizers:
                key = tokenizer.field, tokenizer.to, tokenizer.max_length
                _count(counts.setdefault(key, [0] * 5), tokenizer, cleaners, sample.get(tokenizer.field, ()))
    found = {key: numbers for key, numbers in counts.items() if numbers[0]}
    return [TextStatistics(field, max_length, *numbers) for (field, _, max_length), numbers in found.items()]


def log_text_statistics(dataset: object, name: str, most: int = 2000) -> list[TextStatistics]:
    """A line per tokenizer in the log, and a warning where too much is unknown; `name` says which dataset it is."""
    statistics = text_statistics(dataset, most)
    for one in statistics:
        print_log(f'{name}: {one}', logger='current')
        if warning := one.warning():
            print_log(f'{name}: {warning}', logger='current', level=logging.WARNING)
    return statistics


def _parts(dataset: object) -> Iterator[BaseDataset]:
    if isinstance(dataset, BaseDataset):
        dataset.full_init()
        yield dataset
        return
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    for part in inner:
        if part is not None:
            yield from _parts(part)


def _tokenizers(transforms: list) -> Iterator[tuple[TokenizeText, list[Callable]]]:
    """Each `TokenizeText` with what cleans its texts before: mmpretrain's `CleanCaption`."""
    cleaners: dict[str, list[Callable]] = {}
    for transform in transforms:
        if isinstance(transform, TokenizeText):
            yield transform, list(cleaners.get(transform.field, ()))
        elif hasattr(transform, 'clean'):
            for key in transform.keys:
                cleaners.setdefault(key, []).append(transform.clean)


def _count(numbers: list[int], tokenizer: TokenizeText, cleaners: list[Callable], texts: list[str]) -> None:
    for text in texts:
        for clean in cleaners:
            text = clean(text)
        ids = tokenizer.tokenizer.encode(text)[1:-1]
        length = len(ids) + 1 + tokenizer.end
        numbers[0] += 1
        numbers[1] += len(ids)
        numbers[2] += ids.count(tokenizer.tokenizer.unk_id)
        numbers[3] = max(numbers[3], length)
        numbers[4] += length > tokenizer.max_length
