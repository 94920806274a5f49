"""The settings that a command line overrides (`--cfg-options key=value ...`), and mistakes in them."""

from mmengine.config import Config

from sacl_mm.user_error import UserError, did_you_mean


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
