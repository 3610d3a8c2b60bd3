"""Text for a terminal, without control codes from elsewhere, and errors of one line."""

import argparse
import json
import re
import sys
from typing import Any, NoReturn

# Spaces of all kinds are harmless; isprintable would escape all but one.
_HARMLESS = re.compile(r"[ \u00a0\u2000-\u200a\u202f\u205f\u3000]")


def printable(text: str, lines: bool = False) -> str:
    r"""Return ``text`` with control codes, and octets that cannot be encoded, made visible.

    File names and the content of files may hold codes that recolour the screen, move the cursor or
    turn the direction of writing. ESC becomes ``\x1b``. With ``lines``, line ends stay.
    """
    if text.isprintable():
        return text
    return "".join(
        c
        if c.isprintable() or _HARMLESS.match(c) or (lines and c == "\n")
        else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def json_text(value: Any, indent: int | None = None) -> str:
    """Return JSON without characters that `printable` would escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return "".join(
        c if c == "\n" or c == printable(c) else json.dumps(c)[1:-1]  # a line end is its own
        for c in text
    )


def sentence(error: BaseException) -> str:
    """Return the message of an error; for an error of the system, the file and the reason."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        name = error.filename
        return f"{name if isinstance(name, str) else repr(name)}: {error.strerror}"
    return str(error)


def say(text: str) -> None:
    """Print text of one or several lines."""
    print(printable(text, lines=True), flush=True)  # noqa: T201 -- the only place that prints


def complain(program: str, error: BaseException | str) -> None:
    """Print an error on standard error, in one line unless its class sets ``several_lines``."""
    text = error if isinstance(error, str) else sentence(error)
    lines = getattr(error, "several_lines", False)
    print(f"{program}: error: {printable(text, lines)}", file=sys.stderr)  # noqa: T201


class Parser(argparse.ArgumentParser):
    """A parser without abbreviations, whose errors are one line with exit code 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with code 2."""
        self.exit(2, f"{self.prog}: error: {printable(message)}\n")

    def _get_option_tuples(self, _: str) -> list[Any]:
        """Return none: after one dash, argparse takes abbreviations whatever allow_abbrev is."""
        return []
