import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.datasets import centre_drawing
from bitspike.playground import ProtocolError, Stage

from .messages import HEADER, message, understand

DRAWING = bytes(range(256)) * 49


def parse(request: bytes) -> bytes:
    """The answer of a stage without networks, which reads requests all the same."""
    return Stage([], Path("unused")).answer(request)


def test_a_drawing_is_read(stage: Stage) -> None:
    header, arrays = understand(stage.answer(message(DRAWING, T=200, tau=3)))
    assert (header["id"], header["T"], header["v_threshold"]) == (7, 200, 1.0)
    assert header["label"] is None
    image = centre_drawing(np.frombuffer(DRAWING, np.uint8).reshape(112, 112))
    assert (arrays["image"] == (image * 255).round()).all()


def test_a_sample_is_read() -> None:
    assert understand(parse(message(sample=9999)))[0] == {"type": "waiting", "id": 7}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"T": 0}, r"T must lie in \[1, 200\]"),
        ({"T": 201}, "T must lie"),
        ({"T": 10**400}, "T must lie"),
        ({"T": 50.0}, "T must be an integer"),
        ({"T": True}, "T must be an integer"),
        ({"T": None}, "T must be an integer"),
        ({"T": ...}, "T must be an integer"),
        ({"tau": 1.0}, "tau must lie"),
        ({"tau": float("nan")}, "tau must lie"),
        ({"tau": float("inf")}, "tau must lie"),
        ({"tau": 10**400}, "tau must lie"),
        ({"tau": "2"}, "tau must be a number"),
        ({"tau": False}, "tau must be a number"),
        ({"v_threshold": 0}, "v_threshold must lie"),
        ({"v_threshold": -1e308}, "v_threshold must lie"),
        ({"seed": -1}, "seed must lie"),
        ({"seed": 2**32}, "seed must lie"),
        ({"model": -1}, "model must lie"),
        ({"model": "../../etc/passwd"}, "model must be an integer"),
        ({"id": -1}, "id must lie"),
        ({"path": "x"}, "unknown entry 'path'"),
    ],
)
def test_what_the_page_never_sends_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        parse(message(DRAWING, **changes))


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (b"", "length of the header"),
        (b"\x01\x00", "length of the header"),
        (b"\xff\xff\xff\xff{}", "length of the header"),
        (b"\x02\x00\x00\x00{}", "id must be an integer"),
        (b"\x02\x00\x00\x00[]", "not an object"),
        (b"\x02\x00\x00\x00{\xff", "not JSON"),
        ((500).to_bytes(4, "little") + b"[" * 500, "not JSON"),
        (message(DRAWING + b"x"), "12545|more than"),
        (message(DRAWING[1:]), "12544 bytes, not 12543"),
        (message(), "12544 bytes, not 0"),
        (message(DRAWING, sample=1), "a drawing and a sample"),
        (message(sample=-1), "sample must lie"),
        (message(sample=1.5), "sample must be an integer"),
        (b"\x00" * (13_060 + 1), "more than"),
        (message(DRAWING, x="y" * 512), "length of the header|more than"),
    ],
)
def test_what_is_no_message_is_refused(bad: bytes, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        parse(bad)


@given(st.binary(max_size=200))
def test_noise_is_refused_in_words(noise: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse(noise)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "1", "../x"])
json_values = plain | st.lists(plain, max_size=2) | st.just({"T": 1})


@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*HEADER, "sample"), json_values)))
def test_any_header_is_read_or_refused_in_words(changes: dict[str, Any]) -> None:
    with contextlib.suppress(ProtocolError):
        parse(message(DRAWING, **changes))
