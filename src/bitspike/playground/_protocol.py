"""The messages between page and server, and their checks.

Both directions use one form: the length of a header in 4 bytes (little endian), the header as
JSON, then plain bytes. The page keeps all state between two messages: each request is complete, and
the same request has the same answer.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SIDE = 112  # pixels on a side of the drawing that the page sends
_MAX_HEADER = 512
MAX_MESSAGE = 4 + _MAX_HEADER + SIDE * SIDE  # bytes of the longest request

LIMITS: dict[str, tuple[float, float]] = {  # of the page's sliders
    "T": (1, 200),
    "tau": (1.05, 20.0),
    "v_threshold": (0.1, 5.0),
}
_INTEGERS: dict[str, tuple[float, float]] = {
    "id": (0, 2**31 - 1),
    "model": (0, 2**16),
    "seed": (0, 2**32 - 1),
    "T": LIMITS["T"],
}
_FLOATS = {name: LIMITS[name] for name in ("tau", "v_threshold")}
_SAMPLE = (0, 2**31 - 1)


class ProtocolError(ValueError):
    """A message is not of the form that the page sends."""


@dataclass(frozen=True)
class Request:
    """A request to show an image to a network.

    Attributes:
        id: number that the answer repeats.
        model: position of the network in the server's list.
        T: time steps.
        tau: membrane time constant in time steps.
        v_threshold: threshold of the membrane potential.
        seed: seed of the input spikes.
        sample: number of a test image; None if there is a drawing.
        drawing: uint8 ``[SIDE, SIDE]``; None if there is a sample.
    """

    id: int
    model: int
    T: int
    tau: float
    v_threshold: float
    seed: int
    sample: int | None
    drawing: npt.NDArray[np.uint8] | None


def parse(message: bytes) -> Request:
    """Return the request in ``message``, or raise `ProtocolError`."""
    header, body = _split(message)
    sample = header.pop("sample", None)
    values: dict[str, Any] = {
        **{name: _integer(name, header.pop(name, None), lim) for name, lim in _INTEGERS.items()},
        **{name: _float(name, header.pop(name, None), lim) for name, lim in _FLOATS.items()},
    }
    if header:
        raise ProtocolError(f"unknown entry {next(iter(header))[:20]!r}")
    if sample is not None:
        if body:
            raise ProtocolError("a drawing and a sample at once")
        return Request(**values, sample=_integer("sample", sample, _SAMPLE), drawing=None)
    if len(body) != SIDE * SIDE:
        raise ProtocolError(f"a drawing has {SIDE * SIDE} bytes, not {len(body)}")
    drawing = np.frombuffer(body, np.uint8).reshape(SIDE, SIDE)
    return Request(**values, sample=None, drawing=drawing)


def pack(header: dict[str, Any], *arrays: npt.NDArray[Any]) -> bytes:
    """Return a message: the header, then the bytes of the arrays."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join([len(text).to_bytes(4, "little"), text, *(a.tobytes() for a in arrays)])


def _split(message: bytes) -> tuple[dict[str, Any], bytes]:
    if len(message) > MAX_MESSAGE:
        raise ProtocolError(f"{len(message)} bytes, more than {MAX_MESSAGE}")
    length = int.from_bytes(message[:4], "little")
    if len(message) < 4 + length or length > _MAX_HEADER:
        raise ProtocolError("the length of the header is wrong")
    try:
        header = json.loads(message[4 : 4 + length])
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the header is not JSON") from error
    if not isinstance(header, dict):
        raise ProtocolError("the header is not an object")
    return header, message[4 + length :]


def _integer(name: str, value: object, limits: tuple[float, float]) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProtocolError(f"{name} must be an integer")
    return int(_float(name, value, limits))


def _float(name: str, value: object, limits: tuple[float, float]) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ProtocolError(f"{name} must be a number")
    low, high = limits
    if not low <= value <= high:  # also true of NaN
        raise ProtocolError(f"{name} must lie in [{low:g}, {high:g}]")
    return float(value)
