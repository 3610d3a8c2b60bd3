"""What programs show on a terminal: no control codes of others, and errors of one line."""

import argparse
import json
import re
import sys
from typing import Any, NoReturn

# Spaces of all kinds are harmless; isprintable would escape all but one.
_HARMLESS = re.compile(r"[ \u00a0\u2000-\u200a\u202f\u205f\u3000]")


def printable(text: str, lines: bool = False) -> str:
    r"""``text`` with everything escaped that a terminal, or an encoder, would stumble over.

    File names, and what stands in files, may hold control codes that recolour the screen, move
    the cursor or turn the direction of writing. They become visible, ``\x1b`` for ESC.

    Args:
        text: any text.
        lines: whether it may have several lines.
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
    """JSON in which nothing stands that `printable` would escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return "".join(
        c if c == "\n" or c == printable(c) else json.dumps(c)[1:-1]  # a line end is its own
        for c in text
    )


def sentence(error: BaseException) -> str:
    """What an error says to a user: of the system's errors the file and the reason."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        name = error.filename
        return f"{name if isinstance(name, str) else repr(name)}: {error.strerror}"
    return str(error)


def say(text: str) -> None:
    """Prints text of one or several lines."""
    print(printable(text, lines=True), flush=True)  # noqa: T201 -- the one place where we print


def complain(program: str, error: BaseException | str) -> None:
    """Prints an error on standard error.

    It is one line, unless its class says that it has several (``several_lines``).
    """
    text = error if isinstance(error, str) else sentence(error)
    lines = getattr(error, "several_lines", False)
    print(f"{program}: error: {printable(text, lines)}", file=sys.stderr)  # noqa: T201


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line with exit code 2, and that knows no abbreviations."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Exits with code 2."""
        self.exit(2, f"{self.prog}: error: {printable(message)}\n")

    def _get_option_tuples(self, _: str) -> list[Any]:
        """No abbreviations: with one dash argparse takes them whatever allow_abbrev says."""
        return []
