"""Tables and JSON on standard output, without rich: some commands run where it is not there."""

from collections.abc import Sequence
from typing import Any

from bitspike._terminal import json_text, printable, say


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns; those of numbers to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    lines = [[*head], *rows]
    right = [
        bool(rows) and all(_is_number(row[column]) for row in rows) for column in range(len(head))
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Names and values, one a line."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        f"{printable(name).ljust(width)}  {printable(value)}".rstrip() for name, value in rows
    )


def print_json(value: Any) -> None:
    """One JSON document."""
    say(json_text(value, indent=2))


def _is_number(text: str) -> bool:
    cleaned = text.rstrip("%x").strip().replace(",", "")
    return cleaned in ("", "-") or cleaned.replace(".", "", 1).lstrip("-").isdecimal()
