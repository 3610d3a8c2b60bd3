"""``bitspike playground``: hands over to `bitspike.playground`."""

from collections.abc import Sequence

from bitspike.playground import main


def run(argv: Sequence[str]) -> int:
    """Serves the page until it is stopped."""
    return main(argv)
