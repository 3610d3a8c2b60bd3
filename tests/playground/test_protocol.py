import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.playground._protocol import MAX_HEADER, MAX_MESSAGE, ProtocolError, pack, parse

from .messages import HEADER, message

DRAWING = bytes(range(256)) * 49


def test_a_drawing_is_read() -> None:
    request = parse(message(DRAWING, T=200, tau=3))
    assert (request.id, request.model, request.T, request.seed) == (7, 0, 200, 3)
    assert (request.tau, request.v_threshold, request.sample) == (3.0, 1.0, None)
    assert isinstance(request.tau, float)
    assert request.drawing is not None
    assert request.drawing.shape == (112, 112)
    assert request.drawing[1, 1] == 113


def test_a_sample_is_read() -> None:
    request = parse(message(sample=9999))
    assert request.sample == 9999
    assert request.drawing is None


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
        (b"\x00" * (MAX_MESSAGE + 1), "more than"),
        (message(DRAWING, x="y" * MAX_HEADER), "length of the header|more than"),
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


def test_messages_have_a_header_and_then_bytes() -> None:
    packed = pack({"a": "é"}, np.array([1, 2], np.uint8), np.array([1.0], "<f4"))
    length = int.from_bytes(packed[:4], "little")
    assert json.loads(packed[4 : 4 + length]) == {"a": "é"}
    assert packed[4 + length :] == b"\x01\x02\x00\x00\x80\x3f"
