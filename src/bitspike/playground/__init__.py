"""A local page to draw digits on, and to watch a spiking network read them.

    python -m bitspike.playground

Raises:
    ImportError: the extra ``bitspike[playground]`` is not installed.
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

from bitspike.playground._access import Hosts  # noqa: E402
from bitspike.playground._app import make_app  # noqa: E402
from bitspike.playground._networks import Model, load_models  # noqa: E402
from bitspike.playground._protocol import ProtocolError  # noqa: E402
from bitspike.playground._server import RequestTimeoutProtocol, main, run  # noqa: E402
from bitspike.playground._service import Stage  # noqa: E402

__all__ = [
    "Hosts",
    "Model",
    "ProtocolError",
    "RequestTimeoutProtocol",
    "Stage",
    "load_models",
    "main",
    "make_app",
    "run",
]
