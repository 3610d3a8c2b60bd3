"""argparse with the programs' manners and coloured help."""

import argparse
import os
import re
import sys
from typing import Any

from bitspike import _terminal

_BOLD, _CYAN, _PLAIN = "\033[1m", "\033[36m", "\033[0m"
_HEADING = re.compile(r"^(usage:|[a-z][a-z ]*:$)", re.MULTILINE)
_NAME = re.compile(r"(?<![\w-])(--?[A-Za-z][\w-]*)")


class UsageError(ValueError):
    """A command was given something that it cannot work with; the message names it."""


class Parser(_terminal.Parser):
    """A parser with coloured help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"formatter_class": _formatter, **kwargs})
        self.color = False  # Python 3.14 has colours of its own

    def _print_message(self, message: str, file: Any = None) -> None:
        file = sys.stderr if file is None else file
        if message and ": error: " not in message and shows_colours(file):
            message = paint(message)
        super()._print_message(message, file)


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=28)


def shows_colours(file: Any) -> bool:
    """Whether to write colours: on a terminal, unless ``NO_COLOR`` is set."""
    return bool(file.isatty()) and not os.environ.get("NO_COLOR") and os.name == "posix"


def paint(text: str) -> str:
    """A help text with its headings bold and its options coloured."""
    return _NAME.sub(f"{_CYAN}\\1{_PLAIN}", _HEADING.sub(f"{_BOLD}\\1{_PLAIN}", text))
