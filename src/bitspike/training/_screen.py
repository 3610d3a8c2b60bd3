"""What the user sees while a network trains: a live bar on a terminal, plain lines elsewhere."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bitspike._terminal import printable
from bitspike.training._metrics import EpochMetrics, RateMeter


class Screen:
    """Progress of the epochs, one summary line each, and tables.

    Args:
        epochs: number of the last epoch.
        file: where to; None is standard output.
    """

    # Seconds between two updates, on a terminal and elsewhere.
    _REFRESH: ClassVar = {True: 0.2, False: 30.0}

    def __init__(self, epochs: int, file: TextIO | None = None) -> None:
        file = sys.stdout if file is None else file
        self._console = Console(
            file=file, highlight=False, markup=False, emoji=False, soft_wrap=True
        )
        self._live = self._console.is_terminal
        self._epochs = epochs
        self._progress: Progress | None = None
        self._due = 0.0

    def say(self, text: str) -> None:
        """One line of text."""
        self._console.print(printable(text, lines=True))

    @contextmanager
    def announcing_compilation(self) -> Iterator[None]:
        """While entered, says it once if kernels are compiled for the first time here."""
        logger = logging.getLogger("bitspike.kernels")
        level, handler = logger.level, _Once(self)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)

    def start_epoch(self, epoch: int, images: int, done: int = 0) -> None:
        """Opens the bar of an epoch of ``images`` images, ``done`` of which are over."""
        self._start, self._done_before, self._images = time.perf_counter(), done, images
        self._due = self._start + self._REFRESH[self._live]
        self._name = f"epoch {epoch}/{self._epochs}"
        if self._live:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.percentage:>3.0f} %  {task.fields[figures]}  left"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
                auto_refresh=False,
            )
            self._task = self._progress.add_task(
                self._name, total=images, completed=done, figures=""
            )
            self._progress.start()

    def update(self, meter: RateMeter) -> bool:
        """Shows how far training is, if it is time to; says whether it did."""
        now = time.perf_counter()
        if now < self._due:
            return False
        self._due = now + self._REFRESH[self._live]
        speed = self.images_per_s(meter)
        figures = f"loss {meter.loss:.4f}  acc {meter.accuracy:.2%}  {speed:,.0f} img/s"
        if self._progress is not None:
            self._progress.update(self._task, completed=meter.images, figures=figures)
            self._progress.refresh()
        else:
            left = (self._images - meter.images) / speed if speed else 0.0
            share = meter.images / self._images
            self.say(f"{self._name}  {share:4.0%}  {figures}  {left:.0f} s left")
        return True

    def images_per_s(self, meter: RateMeter) -> float:
        """Training speed since the epoch was opened."""
        return (meter.images - self._done_before) / (time.perf_counter() - self._start)

    def stop_epoch(self) -> None:
        """Takes the bar away, if there is one."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def summary(self, row: EpochMetrics, best: bool) -> None:
        """The epoch's line."""
        self.say(
            f"epoch {row.epoch:3d}/{self._epochs}  train loss {row.train_loss:.4f} "
            f"acc {row.train_acc:.2%}  test loss {row.test_loss:.4f} acc {row.test_acc:.2%}"
            f"{' *' if best else '  '}  {row.train_images_per_s:,.0f} img/s  {row.seconds:.1f} s"
        )

    def table(self, title: str, rows: Mapping[str, str]) -> None:
        """A table of two columns; long values are folded, nothing is cut off."""
        table = Table(title=title, title_justify="left", show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows.items():
            table.add_row(printable(name), printable(value))
        self._console.print(table)


class _Once(logging.Handler):
    """Turns the engine's first message into a line on the screen."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen, self._said = screen, False

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002
        if not self._said:
            self._said = True
            self._screen.say("Compiling kernels: some seconds, once on this machine.")
