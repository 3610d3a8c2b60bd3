"""The screen of a training program: a live bar on a terminal, plain lines elsewhere."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TextIO

from bitspike._terminal import printable
from bitspike.training._metrics import EpochMetrics, RateMeter
from bitspike.training._pictures import Answer
from bitspike.training._run_folder import BEST, LATEST

if TYPE_CHECKING:
    from rich.progress import Progress


class Screen:
    """Progress of the epochs, one summary line each, and tables.

    Args:
        epochs: number of the last epoch.
        file: where to write; None is standard output.
    """

    # Seconds between two updates, on a terminal and elsewhere.
    _REFRESH: ClassVar = {True: 0.2, False: 30.0}

    def __init__(self, epochs: int, file: TextIO | None = None) -> None:
        from rich.console import Console

        file = sys.stdout if file is None else file
        self._console = Console(
            file=file, highlight=False, markup=False, emoji=False, soft_wrap=True
        )
        self._live = self._console.is_terminal
        self._epochs = epochs
        self._progress: Progress | None = None
        self._due = 0.0

    def say(self, text: str) -> None:
        """Print a line of text."""
        self._console.print(printable(text, lines=True))

    @contextmanager
    def announcing_compilation(self) -> Iterator[None]:
        """While entered, say once that kernels are compiled, if they are."""
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
        """Open the bar of an epoch of ``images`` images, ``done`` of which are over."""
        self._start, self._done_before, self._images = time.perf_counter(), done, images
        self._due = self._start + self._REFRESH[self._live]
        self._name = f"epoch {epoch}/{self._epochs}"
        if self._live:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

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
        """Show how far training is, if it is time to; return whether it was."""
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
        """Return the training speed since the epoch was opened."""
        return (meter.images - self._done_before) / (time.perf_counter() - self._start)

    def stop_epoch(self) -> None:
        """Take the bar away, if there is one."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def summary(self, row: EpochMetrics, best: bool) -> None:
        """Print the epoch's line."""
        self.say(
            f"epoch {row.epoch:3d}/{self._epochs}  train loss {row.train_loss:.4f} "
            f"acc {row.train_acc:.2%}  test loss {row.test_loss:.4f} acc {row.test_acc:.2%}"
            f"{' *' if best else '  '}  {row.train_images_per_s:,.0f} img/s  {row.seconds:.1f} s"
        )

    def table(self, title: str, rows: Mapping[str, str]) -> None:
        """Print a table of two columns; long values are folded, nothing is cut off."""
        from rich.table import Table

        table = Table(title=title, title_justify="left", show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows.items():
            table.add_row(printable(name), printable(value))
        self._console.print(table)

    def result(
        self, folder: Path, answer: Answer, label: int, history: Sequence[EpochMetrics]
    ) -> None:
        """Print the results of a run, and where they are.

        Args:
            folder: the run's folder.
            answer: the network's answer to the first test image.
            label: that image's class.
            history: the figures of all epochs.
        """
        rows = {}
        if history:
            last, best = history[-1], max(history, key=lambda row: row.test_acc)
            rows["best test accuracy"] = (
                f"{best.test_acc:.2%} (epoch {best.epoch}, chosen on the test set, as the "
                "original tutorial does)"
            )
            rows["last test accuracy"] = f"{last.test_acc:.2%} (epoch {last.epoch})"
        rows["first test image"] = f"class {answer.predicted}, label {label}"
        self.say(f"Firing rate: {answer.firing_rate.numpy()}")
        self.table("Result", rows)
        self.say(f"Checkpoints: {folder / LATEST} (last; go on with -resume)")
        if history:
            self.say(f"             {folder / BEST} (best)")
        self.say(f"Pictures:    {folder}/*.png")
        self.say(f"TensorBoard: tensorboard --logdir {folder}")


class _Once(logging.Handler):
    """Turn the engine's first message into a line on the screen."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen, self._said = screen, False

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002
        if not self._said:
            self._said = True
            self._screen.say("Compiling kernels: some seconds, once on this machine.")
