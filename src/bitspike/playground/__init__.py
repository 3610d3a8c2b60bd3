"""A local page to draw digits on, and to watch a spiking network read them.

    python -m bitspike.playground

Raises:
    ImportError: if the extra ``bitspike[playground]`` is not installed.
"""

from bitspike._extras import require

require(
    "platformdirs",
    "rich",
    "starlette",
    "uvicorn",
    "websockets",
    extra="playground",
    purpose="the playground",
)

from bitspike.playground._app import make_app  # noqa: E402
from bitspike.playground._server import main, run  # noqa: E402
from bitspike.playground._stage import Stage  # noqa: E402

__all__ = ["Stage", "main", "make_app", "run"]
