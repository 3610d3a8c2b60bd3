"""What a user sees while files are fetched: lines and a progress bar on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bitspike._terminal import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """A rich progress bar with the four methods that pooch calls."""

    def __init__(self, progress: "Progress", task: "TaskID") -> None:
        self._progress = progress
        self._task = task

    @property
    def total(self) -> float | None:
        """Number of bytes to come."""
        return self._progress.tasks[self._task].total

    @total.setter
    def total(self, total: float) -> None:
        # A server need not tell the length; rich shows a moving bar for None.
        self._progress.update(self._task, total=total or None)

    def update(self, amount: float) -> None:
        """Count `amount` more bytes."""
        self._progress.advance(self._task, amount)

    def reset(self) -> None:
        """Count from zero again."""
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        """Nothing to do: `Screen.bar` takes the bar away."""


class Screen:
    """Lines and bars on stderr; no bars where stderr is not a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    def say(self, line: str) -> None:
        """Print one line."""
        self._console.print(printable(line))

    @contextmanager
    def bar(self, title: str) -> Iterator[Bar]:
        """A bar that counts bytes, while the block runs."""
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
        )
        silent = not self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=silent) as progress:
            yield Bar(progress, progress.add_task(title, total=None))

    @contextmanager
    def busy(self, title: str) -> Iterator[None]:
        """A sign of life for work that cannot be counted, while the block runs."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(f"  {title}"):
            yield
