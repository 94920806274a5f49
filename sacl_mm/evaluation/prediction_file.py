"""Predictions for the evaluation servers and the official scripts."""

import os
from pathlib import Path

from mmengine.logging import MMLogger


def write_predictions(path: str, text: str) -> None:
    """Write a file so that it is there whole or not at all, with the folders that it needs; the log names it."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f'.{target.name}.{os.getpid()}')
    unfinished.write_text(text, encoding='utf-8')
    os.replace(unfinished, target)
    MMLogger.get_current_instance().info(f'predictions written to {path}')
