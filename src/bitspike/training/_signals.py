"""Ctrl-C and SIGTERM as a request that the training loop honours between two batches."""

import signal
from pathlib import Path
from types import FrameType
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
        """The signal in words: ``'Ctrl-C'``, ``'SIGTERM'`` or ``'nothing'``."""
        return "nothing" if self._signal is None else self._NAMES[self._signal]

    @property
    def exit_code(self) -> int:
        """The shell's code for the signal: 130 for SIGINT, 143 for SIGTERM, else 0."""
        return 0 if self._signal is None else 128 + self._signal

    def how_to_resume(self, epoch: int, checkpoint: Path) -> str:
        """Return the message of a run that was stopped in an epoch and saved a checkpoint."""
        stopped = f"Stopped by {self.name} in epoch {epoch}."
        return f"{stopped} Go on, to the bit, with\n  -resume {checkpoint}"

    def __enter__(self) -> Self:
        self._old = {s: signal.signal(s, self._handle) for s in self._NAMES}
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._signal = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
