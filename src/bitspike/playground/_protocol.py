"""The messages between page and server, and what the server refuses.

Both directions use one form: the length of a header in 4 bytes (little endian), the header as
JSON, then plain bytes. What is true between two messages is kept by the page: each request says
everything, and the same request has the same answer.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SIDE = 112
"""Pixels on a side of the drawing that the page sends."""

MAX_HEADER = 512
MAX_MESSAGE = 4 + MAX_HEADER + SIDE * SIDE
"""Bytes of the longest request; the server reads no more than that."""

LIMITS: dict[str, tuple[float, float]] = {
    "T": (1, 200),
    "tau": (1.05, 20.0),
    "v_threshold": (0.1, 5.0),
}
"""What the page's sliders may say."""

_INTEGERS: dict[str, tuple[float, float]] = {
    "id": (0, 2**31 - 1),
    "model": (0, 2**16),
    "seed": (0, 2**32 - 1),
    "T": LIMITS["T"],
}
_FLOATS = {name: LIMITS[name] for name in ("tau", "v_threshold")}
_SAMPLE = (0, 2**31 - 1)


class ProtocolError(ValueError):
    """A message that the page would never send."""


@dataclass(frozen=True)
class Request:
    """One image to present to a network.

    Attributes:
        id: number that the answer repeats.
        model: place of the network in the server's list.
        T: time steps.
        tau: membrane time constant in time steps.
        v_threshold: threshold of the membrane potential.
        seed: of the input spikes.
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
    """The request in ``message``.

    Raises:
        ProtocolError: if it is not exactly one.
    """
    header, body = _split(message)
    values: dict[str, Any] = {}
    sample = header.pop("sample", None)
    for name, limits in _INTEGERS.items():
        values[name] = _integer(name, header.pop(name, None), limits)
    for name, limits in _FLOATS.items():
        values[name] = _float(name, header.pop(name, None), limits)
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
    """A message of the form that this file describes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join([len(text).to_bytes(4, "little"), text, *(a.tobytes() for a in arrays)])


def _split(message: bytes) -> tuple[dict[str, Any], bytes]:
    if len(message) > MAX_MESSAGE:
        raise ProtocolError(f"{len(message)} bytes, more than {MAX_MESSAGE}")
    length = int.from_bytes(message[:4], "little")
    if len(message) < 4 + length or length > MAX_HEADER:
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
    _between(name, value, limits)
    return value


def _float(name: str, value: object, limits: tuple[float, float]) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ProtocolError(f"{name} must be a number")
    _between(name, value, limits)
    return float(value)


def _between(name: str, value: float, limits: tuple[float, float]) -> None:
    low, high = limits
    if not low <= value <= high:  # also true of NaN
        raise ProtocolError(f"{name} must lie in [{low:g}, {high:g}]")
