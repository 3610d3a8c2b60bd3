"""The parser with coloured help, and tables and JSON on standard output.

Tables do without rich: some commands run where it is not installed.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

from bitspike import _terminal
from bitspike._terminal import json_text, printable, say

_BOLD, _CYAN, _PLAIN = "\033[1m", "\033[36m", "\033[0m"
_HEADING = re.compile(r"^(usage:|[a-z][a-z ]*:$)", re.MULTILINE)
_NAME = re.compile(r"(?<![\w-])(--?[A-Za-z][\w-]*)")


class UsageError(ValueError):
    """A command was given a value that it cannot work with; the message names it."""


class Parser(_terminal.Parser):
    """A parser whose help has bold headings and coloured options on a terminal."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"formatter_class": _formatter, **kwargs})
        self.color = False  # Python 3.14 has colours of its own

    def _print_message(self, message: str, file: Any = None) -> None:
        file = sys.stderr if file is None else file
        coloured = file.isatty() and not os.environ.get("NO_COLOR") and os.name == "posix"
        if message and ": error: " not in message and coloured:
            message = _HEADING.sub(f"{_BOLD}\\1{_PLAIN}", message)
            message = _NAME.sub(f"{_CYAN}\\1{_PLAIN}", message)
        super()._print_message(message, file)


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=28)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns; those of numbers to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    columns = [_aligned(name, [row[column] for row in rows]) for column, name in enumerate(head)]
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def _aligned(name: str, cells: list[str]) -> list[str]:
    width = max(map(len, [name, *cells]))
    to_right = bool(cells) and all(map(_is_number, cells))
    return [cell.rjust(width) if to_right else cell.ljust(width) for cell in (name, *cells)]


def _is_number(text: str) -> bool:
    cleaned = text.rstrip("%x").strip().replace(",", "")
    return cleaned in ("", "-") or cleaned.replace(".", "", 1).lstrip("-").isdecimal()


def pairs(rows: Sequence[tuple[str, object]]) -> str:
    """Return names and values, one a line."""
    width = max(len(name) for name, _ in rows)
    lines = (f"{printable(name).ljust(width)}  {printable(str(value))}" for name, value in rows)
    return "\n".join(line.rstrip() for line in lines)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    say(json_text(value, indent=2))
