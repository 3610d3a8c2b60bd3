"""How many threads a call is worth: measured, not assumed."""

MANY_FROM = 4e4
"""Work in nanoseconds below which one thread is always right."""

_TRUST = 0.25  # weight of the last measurement
_GAIN = 0.95  # several threads must take less than this share of one thread's time
_MOST = 2.0  # a call counts as so many times the usual at most: one alone may have met anything
_LOOK = 3  # calls of a look, of which the shortest counts: threads wake, new memory is slow
_LOOK_AGAIN, _LEAST_OFTEN = 32, 4096  # calls


class Pace:
    """Chooses between one thread and all, for calls of about the same work.

    Two threads nearly halve a call of a tenth of a millisecond on an idle machine, and turn it into
    several milliseconds where another process holds a core: the region waits for its last thread.
    So each call is timed, the better way is kept, and the other one is looked at again now and
    then, the more rarely the more often it lost. Results do not depend on the number of threads.
    """

    __slots__ = ("_better", "_calls", "_look", "_next_look", "_seconds", "_wait")

    def __init__(self) -> None:
        self._seconds: dict[bool, float] = {}
        self._better = False
        self._calls, self._next_look, self._wait = 0, 0, _LOOK_AGAIN
        self._look: list[float] = []  # what the calls of this look took

    def with_many(self) -> bool:
        """Whether the next call is to take all threads."""
        if len(self._seconds) < 2:
            return True not in self._seconds
        self._calls += 1
        return self._better if self._calls < self._next_look else not self._better

    def took(self, many: bool, seconds: float) -> None:
        """Learns from a call."""
        looking = len(self._seconds) < 2 or many != self._better
        if not looking:
            usual = self._seconds[many]
            self._seconds[many] += _TRUST * (min(seconds, _MOST * usual) - usual)
        else:
            self._look.append(seconds)
            if len(self._look) < _LOOK:
                return
            self._seconds[many] = min(self._look)
            self._look = []
        if len(self._seconds) < 2:
            return
        better = self._seconds[True] < _GAIN * self._seconds[False]
        if looking or better != self._better:
            lost = looking and better == self._better
            self._wait = min(2 * self._wait, _LEAST_OFTEN) if lost else _LOOK_AGAIN
            self._next_look = self._calls + self._wait
        self._better = better
