"""What a run shows on the terminal: what the user can act on. The log file has everything.

MMEngine logs the configuration, the environment, the order of hooks and the optimizer's options parameter by parameter:
hundreds of lines before the first iteration.
"""

import logging
import re
import sys
import warnings

from mmengine.logging import MMLogger

# How their messages begin.
_FOR_THE_FILE = re.compile(
    'System environment:|Config:\n|Hooks will be executed in the following order|paramwise_options -- '
    '|Distributed training is not used, all SyncBatchNorm'
    # Parts that share weights, as they are meant to.
    r'|\S+ is duplicate\. It is skipped since bypass_duplicate=True'
    # What MMEngine's own hooks call.
    '|"FileClient" will be deprecated|"HardDiskBackend" is the alias'
)
# (module, message): warnings of other libraries that are about themselves.
_WARNINGS = (
    # MMEngine's way to find an installed package, when a configuration inherits 'sacl_mm::...'; setuptools is below 81 for it.
    (r'mmengine\.|importlib$', 'pkg_resources is deprecated'),
)


class _ForTheTerminal(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _FOR_THE_FILE.match(record.getMessage().lstrip('\n-'))


def show_essentials(logger: MMLogger) -> MMLogger:
    """The logger, which keeps to its file what few read; without a file, or with `log_level='DEBUG'`, all is shown."""
    if logger.log_file is None or any(handler.level <= logging.DEBUG for handler in logger.handlers):
        return logger
    for handler in logger.handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(_ForTheTerminal())
    logger.info(f'configuration, environment and hooks are in {logger.log_file}')
    return logger


def silence_libraries() -> None:
    """Python warnings that nobody can act on are not shown, unless Python is told to show warnings (`-W`)."""
    if not sys.warnoptions:
        for module, message in _WARNINGS:
            warnings.filterwarnings('ignore', message, module=module)
