"""Turn Ctrl-C and SIGTERM into a request that the training loop honours between two batches."""

import signal
from types import FrameType, TracebackType
from typing import Any, ClassVar, Self


class StopRequest:
    """While entered, the first SIGINT or SIGTERM only sets a flag; a second one acts at once.

    Example::

        with StopRequest() as stop:
            for batch in batches:
                ...
                if stop:
                    save_and_exit(stop.exit_code)
    """

    _NAMES: ClassVar = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}

    def __init__(self) -> None:
        self._signal: signal.Signals | None = None
        self._old: dict[signal.Signals, Any] = {}

    def __bool__(self) -> bool:
        return self._signal is not None

    @property
    def name(self) -> str:
        """What asked for the stop, in words."""
        return "nothing" if self._signal is None else self._NAMES[self._signal]

    @property
    def exit_code(self) -> int:
        """The shell's code for the signal: 130 for SIGINT, 143 for SIGTERM, else 0."""
        return 0 if self._signal is None else 128 + self._signal

    def __enter__(self) -> Self:
        self._old = {s: signal.signal(s, self._handle) for s in self._NAMES}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._signal = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
