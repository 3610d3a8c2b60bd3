"""Programs to run with ``python -m bitspike.examples.NAME``, and to read from top to bottom.

Raises:
    ImportError: if the extra ``bitspike[train]`` is not installed.
"""

from bitspike._extras import require

require(
    "filelock", "matplotlib", "PIL", "rich", "tensorboard", extra="train", purpose="the program"
)
