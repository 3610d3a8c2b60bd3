"""Where data sets are kept when the user names no folder."""

import os
from pathlib import Path

from bitspike._extras import require

ENVIRONMENT_VARIABLE = "BITSPIKE_DATA"

Root = str | os.PathLike[str] | None


def default_root() -> Path:
    """The folder for data sets: ``$BITSPIKE_DATA``, else one in the user's cache folder.

    Returns:
        The path; the folder need not exist yet.

    Raises:
        ImportError: ``$BITSPIKE_DATA`` is not set and platformdirs is not installed.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    require(
        "platformdirs",
        extra="data",
        purpose=f"a default data folder (root=None, {ENVIRONMENT_VARIABLE} not set)",
    )
    import platformdirs

    return Path(platformdirs.user_cache_dir("bitspike", appauthor=False)) / "datasets"


def resolve_root(root: Root) -> Path:
    """The folder that a user means: `default_root()` for None, ``~`` expanded."""
    return default_root() if root is None else Path(root).expanduser()
