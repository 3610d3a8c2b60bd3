"""Requests and answers, as the page makes and reads them."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt

HEADER: dict[str, Any] = {
    "id": 7,
    "model": 0,
    "T": 50,
    "tau": 2.0,
    "v_threshold": 1.0,
    "seed": 3,
}


def message(body: bytes = b"", **changes: Any) -> bytes:
    """A request with other entries than `HEADER`'s; ``...`` takes one out."""
    header = {name: v for name, v in {**HEADER, **changes}.items() if v is not ...}
    text = json.dumps(header).encode()
    return len(text).to_bytes(4, "little") + text + body


def understand(answer: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Header and arrays of an answer."""
    length = int.from_bytes(answer[:4], "little")
    header = json.loads(answer[4 : 4 + length])
    body = answer[4 + length :]
    if header["type"] != "answer":
        assert not body
        return header, {}
    T = header["T"]
    parts = [784, 4 * 10 * T, 98 * T, 2 * T]
    assert len(body) == sum(parts)
    image, v, inputs, outputs = (
        body[sum(parts[:k]) : sum(parts[: k + 1])] for k in range(len(parts))
    )

    def bits(part: bytes, count: int) -> npt.NDArray[np.uint8]:
        rows = np.frombuffer(part, np.uint8).reshape(T, -1)
        return np.unpackbits(rows, axis=1, bitorder="little")[:, :count]

    return header, {
        "image": np.frombuffer(image, np.uint8).reshape(28, 28),
        "v": np.frombuffer(v, "<f4").reshape(T, 10),
        "inputs": bits(inputs, 784),
        "outputs": bits(outputs, 10),
    }
