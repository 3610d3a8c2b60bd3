import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from bitspike.training import StopRequest

SIGNALS = [signal.SIGINT, signal.SIGTERM]
each_signal = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)


class OutsideHandlerError(Exception):
    """Raised by the handler that was there before."""


def outside(number: int, frame: FrameType | None) -> None:
    raise OutsideHandlerError


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    old: dict[signal.Signals, Any] = {number: signal.signal(number, outside) for number in SIGNALS}
    yield
    for number, handler in old.items():
        signal.signal(number, handler)


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_without_a_signal_nothing_is_requested() -> None:
    with StopRequest() as stop:
        assert not stop
        assert outside not in handlers()
    assert not stop
    assert stop.exit_code == 0
    assert handlers() == [outside, outside]


@pytest.mark.parametrize(
    ("number", "name", "code"), [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)]
)
def test_the_first_signal_only_sets_a_flag(number: signal.Signals, name: str, code: int) -> None:
    with StopRequest() as stop:
        send(number)
        assert stop
        assert stop.name == name
        assert stop.exit_code == code
    assert stop  # it can be asked afterwards
    assert handlers() == [outside, outside]


@each_signal
@pytest.mark.parametrize("second", SIGNALS, ids=lambda number: number.name)
def test_the_second_signal_acts_at_once(number: signal.Signals, second: signal.Signals) -> None:
    with StopRequest() as stop:
        send(number)
        with pytest.raises(OutsideHandlerError):
            send(second)
    assert stop.exit_code == 128 + number  # what began the stop is what is reported
    assert handlers() == [outside, outside]


def test_handlers_are_restored_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), StopRequest():
        raise ZeroDivisionError
    assert handlers() == [outside, outside]


def test_python_s_own_second_ctrl_c_is_a_keyboard_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:  # noqa: PT012
        send(signal.SIGINT)
        assert stop
        send(signal.SIGINT)


def test_ignored_signals_are_heard_and_ignored_again_afterwards() -> None:
    """A shell starts what runs in the background with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with StopRequest() as stop:
        send(signal.SIGINT)
        assert stop
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_it_can_be_entered_again() -> None:
    for _ in range(2):
        with StopRequest() as stop:
            send(signal.SIGTERM)
            assert stop
    assert handlers() == [outside, outside]
