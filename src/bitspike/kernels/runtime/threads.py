"""How many threads the compiled kernels take."""

import torch

_requested: int | None = None


def set_num_threads(threads: int | None) -> None:
    """Let the kernels take up to ``threads`` threads; None: as many as torch's operations do.

    For networks whose kernels are worth a second thread while torch's own operations are too small
    for it. Results do not depend on it.

    Raises:
        ValueError: if it is less than 1.
    """
    global _requested
    if threads is not None and threads < 1:
        raise ValueError(f"kernels.set_num_threads: threads must be 1 or more, but got {threads!r}")
    _requested = threads


def get_num_threads() -> int:
    """Return how many threads a kernel may take."""
    return torch.get_num_threads() if _requested is None else _requested


class ThreadChoice:
    """Chooses between one thread and all for calls of about the same work, by timing them.

    On an idle machine two threads nearly halve a call of a tenth of a millisecond. Where other
    processes hold the cores, a parallel region waits for its last thread: ``LIFNode`` on
    ``torch.rand(16, 64, 512)``, timed in turn by ``time.perf_counter`` on two cores with a load of
    8, took 0.18 ms on one thread, 32 ms with `set_num_threads` of 2 and no choice, and 0.34 ms with
    it (medians of 300 calls). No fixed bound is right for both. So the better way is kept, and the
    other one is tried again now and then, less often each time it loses. Results do not depend on
    it.
    """

    TRUST = 0.25  # weight of the last measurement
    GAIN = 0.95  # several threads must take less than this share of one thread's time
    MOST = 2.0  # a call counts at most this many times the usual: an outlier says nothing
    TRIAL = 3  # calls of a trial, of which the shortest counts: threads wake, new memory is slow
    NEXT_TRIAL, LAST_TRIAL = 32, 4096  # calls until the next trial, at first and at most

    def __init__(self) -> None:
        self._seconds: dict[bool, float] = {}
        self._better = False
        self._calls, self._trial_at, self._wait = 0, 0, self.NEXT_TRIAL
        self._trial: list[float] = []

    def with_many(self) -> bool:
        """Return whether the next call is to take all threads."""
        if len(self._seconds) < 2:
            return True not in self._seconds
        self._calls += 1
        return self._better if self._calls < self._trial_at else not self._better

    def took(self, many: bool, seconds: float) -> None:
        """Learn from a call."""
        trial = len(self._seconds) < 2 or many != self._better
        if trial:
            calls = self._trial  # another thread may begin the next trial meanwhile
            calls.append(seconds)
            if len(calls) < self.TRIAL:
                return
            self._seconds[many] = min(calls)
            self._trial = []
        else:
            usual = self._seconds[many]
            self._seconds[many] += self.TRUST * (min(seconds, self.MOST * usual) - usual)
        if len(self._seconds) < 2:
            return
        better = self._seconds[True] < self.GAIN * self._seconds[False]
        if trial or better != self._better:
            lost = trial and better == self._better
            self._wait = min(2 * self._wait, self.LAST_TRIAL) if lost else self.NEXT_TRIAL
            self._trial_at = self._calls + self._wait
        self._better = better
