"""Seeds made of names and numbers."""

import hashlib


def seed_of(*parts: object, octets: int = 7) -> int:
    """A seed for what the parts name, such as an epoch's images: other parts, another seed.

    Args:
        *parts: whatever has a text.
        octets: the seed lies below ``256 ** octets``.
    """
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:octets], "little")
