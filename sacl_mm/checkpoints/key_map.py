"""Renaming the tensors of a state dict so that every key is accounted for.

"Theirs" is the other project's layout, "ours" this library's (and mmpretrain's).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

State = dict[str, Tensor]


class Converted(NamedTuple):
    """A renamed state dict, and the keys that have no place in it."""

    state: State
    left_out: list[str]


def _keep(tensor: Tensor) -> Tensor:
    return tensor


class Entry(NamedTuple):
    """One tensor.

    `shape` is that of theirs, a word for each dimension: a number, or a letter that stands for one size throughout the
    checkpoint, with a factor where it is a multiple ('3C C').
    """

    theirs: str
    ours: str
    shape: str
    to_ours: Callable[[Tensor], Tensor] = _keep
    to_theirs: Callable[[Tensor], Tensor] = _keep


@dataclass
class KeyMap:
    """The tensors of a model in two layouts.

    Entries of one `ours` are one tensor that theirs stores under several names: the values must be equal.

    Args:
        entries: what both layouts have; the first one with a letter decides the letter's size.
        shared: pairs of their names whose values must be equal, although ours keeps both, too.
        only_theirs, only_ours: beginnings of keys that the other layout has no place for.
    """

    entries: list[Entry]
    shared: Sequence[tuple[str, str]] = ()
    only_theirs: tuple[str, ...] = ()
    only_ours: tuple[str, ...] = ()

    def to_ours(self, state: State, allow: Sequence[str] = ()) -> Converted:
        """`allow`: beginnings of keys of `state` that are left out if they are unknown, missing or of another shape.

        Raises:
            ValueError: lists unknown and missing keys, those of another shape, and tensors that should be equal.
        """
        keys = {entry: entry.theirs for entry in self.entries}
        theirs = {entry: state[key] for entry, key in keys.items() if key in state}
        fitting = self._fitting(theirs, keys, state, self.only_theirs, tuple(allow))
        return Converted({entry.ours: entry.to_ours(x) for entry, x in fitting.items()}, _rest(state, fitting, keys))

    def to_theirs(self, state: State, allow: Sequence[str] = ()) -> Converted:
        """The way back; arguments and errors as in `to_ours`."""
        keys = {entry: entry.ours for entry in self.entries}
        theirs = {entry: entry.to_theirs(state[key]) for entry, key in keys.items() if key in state}
        fitting = self._fitting(theirs, keys, state, self.only_ours, tuple(allow))
        return Converted({entry.theirs: x for entry, x in fitting.items()}, _rest(state, fitting, keys))

    def _fitting(
        self,
        theirs: dict[Entry, Tensor],
        keys: dict[Entry, str],
        state: State,
        others: tuple[str, ...],
        allow: tuple[str, ...],
    ) -> dict[Entry, Tensor]:
        """Those of `theirs` that fit; `keys` are the entries' names in `state`. Raises ValueError as `to_ours` says."""
        known = set(keys.values())
        unknown = [key for key in state if key not in known and not key.startswith((*others, *allow))]
        missing = [key for key in dict.fromkeys(keys.values()) if key not in state and not key.startswith(allow)]
        fitting: dict[Entry, Tensor] = {}
        sizes: dict[str, int] = {}
        misshaped = []
        for entry, tensor in theirs.items():
            if _fits(tuple(tensor.shape), entry.shape, sizes):
                fitting[entry] = tensor
            elif not keys[entry].startswith(allow):
                misshaped.append(f'{keys[entry]} is {tuple(tensor.shape)}, not {_expected(entry.shape, sizes)}')
        problems = [
            f'{len(found)} {what}: {", ".join(found[:4])}{", ..." if len(found) > 4 else ""}'
            for found, what in ((unknown, 'unknown'), (missing, 'missing'), (misshaped, 'of another shape'))
            if found
        ]
        problems += self._unequal({entry.theirs: tensor for entry, tensor in fitting.items()})
        if problems:
            raise ValueError(
                f"the checkpoint's tensors do not fit ({'; '.join(problems)}); "
                'what may be left out has to be allowed by name'
            )
        return fitting

    def _unequal(self, theirs: State) -> list[str]:
        first_of: dict[str, str] = {}
        pairs = [(first_of.setdefault(entry.ours, entry.theirs), entry.theirs) for entry in self.entries]
        return [
            f'{first} and {second} differ, which are one tensor in this model'
            for first, second in [*self.shared, *pairs]
            if first in theirs and second in theirs and not torch.equal(theirs[first], theirs[second])
        ]


def _rest(state: State, fitting: dict[Entry, Tensor], keys: dict[Entry, str]) -> list[str]:
    used = {keys[entry] for entry in fitting}
    return [key for key in state if key not in used]


def _fits(shape: tuple[int, ...], wanted: str, sizes: dict[str, int]) -> bool:
    """Whether a shape is the wanted one; a letter that was not met before gets its size."""
    words = [_parts(word) for word in wanted.split()]
    if len(shape) != len(words):
        return False
    found = {letter: size // factor for size, (factor, letter) in zip(shape, words, strict=True) if letter} | sizes
    if any(size != factor * found.get(letter, 1) for size, (factor, letter) in zip(shape, words, strict=True)):
        return False
    sizes.update(found)
    return True


def _expected(wanted: str, sizes: dict[str, int]) -> str:
    """'3C D' with C = 8 known is '(24, D)'."""
    parts = [(word, *_parts(word)) for word in wanted.split()]
    words = [str(factor * sizes.get(letter, 1)) if letter in {'', *sizes} else word for word, factor, letter in parts]
    return f'({", ".join(words)})'


def _parts(word: str) -> tuple[int, str]:
    """'3C' is (3, 'C'), '2' is (2, '')."""
    letter = word.lstrip('0123456789')
    return int(word.removesuffix(letter) or 1), letter


def count_layers(keys: Iterable[str], prefix: str) -> int:
    """One more than the largest number that follows `prefix`; at least 1, so that something is missing if there is none."""
    matches = [re.match(re.escape(prefix) + r'(\d+)\.', key) for key in keys]
    return max([1, *(int(match.group(1)) + 1 for match in matches if match)])
