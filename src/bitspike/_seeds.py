"""Seeds from names and numbers."""

import hashlib


def seed_of(*parts: object, octets: int = 7) -> int:
    """Return a seed below ``256 ** octets`` for the texts of ``parts``, such as an epoch's name."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:octets], "little")
