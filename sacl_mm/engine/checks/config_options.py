"""The settings that a command line overrides (`--cfg-options key=value ...`), and mistakes in them."""

from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Sequence

from mmengine.config import Config, DictAction

from sacl_mm.user_error import UserError, did_you_mean, printable


class OptionAction(DictAction):
    """MMEngine's `DictAction` (numbers, True, False, None, lists and tuples); what is no key=value is an error of the
    command line, and spaces inside a single value stay. Of the same key twice the last counts, as scripts expect."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Sequence[str], option_string: str | None = None
    ) -> None:
        options = dict(getattr(namespace, self.dest, None) or {})
        for given in values:
            key, _, value = given.partition('=')
            if not value or not all(key.split('.')):
                raise self._error(f"'{given}' is not key=value, as in model.queue_size=0 (None for no value)")
            options[key] = self._parse(given, value)
        for key in options:
            for longer in options:
                if longer.startswith(key + '.'):
                    raise self._error(f"'{key}' and '{longer}' override each other")
        setattr(namespace, self.dest, options)

    def _parse(self, given: str, value: str) -> object:
        if not value.startswith(('[', '(')) and ',' not in value:
            return self._parse_int_float_bool(value.strip('\'"'))
        try:
            if any(value.count(left) != value.count(right) for left, right in ('[]', '()')):
                raise AssertionError
            return self._parse_iterable(value)
        except (AssertionError, RecursionError) as error:
            raise self._error(f"the brackets of '{given[:80]}' do not match") from error

    def _error(self, message: str) -> ArgumentError:
        return ArgumentError(self, printable(message))


def check_options(cfg: Config, options: dict[str, object], known: set[str]) -> None:
    """Every key on the way to the last one must exist: overriding would otherwise make a new branch that nothing reads. The
    last one may be new, but not a near miss of one that is there.

    Args:
        known: top-level keys that a configuration may leave out.

    Raises:
        UserError: an option overrides nothing, or a part of what can only be overridden as a whole.
    """
    for option in options:
        first, *rest = option.split('.')
        if first in cfg:
            _check_inside(option, cfg[first], first, rest)
        elif first not in known:
            hint = did_you_mean(first, known | set(cfg))
            raise UserError(f"--cfg-options {option}: the configuration has no '{first}'{hint}")


def _check_inside(option: str, node: object, path: str, keys: list[str]) -> None:
    for depth, key in enumerate(keys, start=1):
        is_last = depth == len(keys)
        if isinstance(node, dict):
            near = did_you_mean(key, node, cutoff=0.85 if is_last else 0.6)
            if key not in node and (near or not is_last):
                raise UserError(f"--cfg-options {option}: '{path}' has no '{key}'{near}")
            node = node.get(key)
        elif isinstance(node, list):
            if not key.isdecimal() or int(key) >= len(node):
                raise UserError(f"--cfg-options {option}: '{path}' is a list of {len(node)}, it has no '{key}'")
            if is_last:  # which MMEngine cannot
                raise UserError(f'--cfg-options {option}: give the whole list, as {path}=[...]')
            node = node[int(key)]
        else:
            raise UserError(f"--cfg-options {option}: '{path}' is {node!r}, which can only be overridden as a whole")
        path = f'{path}.{key}'
