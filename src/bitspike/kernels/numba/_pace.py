"""How many threads a call is worth: measured, not assumed."""

MANY_FROM = 4e4
"""Work in nanoseconds below which one thread is always right."""

_TRUST = 0.25  # weight of the last measurement
_GAIN = 0.95  # several threads must take less than this share of one thread's time
_FIRST = (
    3  # calls of either way at first: new memory makes the very first ones several times longer
)
_LOOK_AGAIN, _LEAST_OFTEN = 32, 4096  # calls


class Pace:
    """Chooses between one thread and all, for calls of about the same work.

    Two threads nearly halve a call of a tenth of a millisecond on an idle machine, and turn it into
    several milliseconds where another process holds a core: the region waits for its last thread.
    So each call is timed, the better way is kept, and the other one is tried again now and then,
    the more rarely the more often it lost. Results do not depend on the number of threads.
    """

    __slots__ = ("_calls", "_next_look", "_seconds", "_wait")

    def __init__(self) -> None:
        self._seconds: dict[bool, float] = {}
        self._calls, self._wait = -2 * _FIRST, _LOOK_AGAIN
        self._next_look = _LOOK_AGAIN

    def with_many(self) -> bool:
        """Whether the next call is to take all threads."""
        self._calls += 1
        if self._calls <= 0 or len(self._seconds) < 2:
            return self._calls % 2 != 0
        better = self._many_is_better()
        return better if self._calls < self._next_look else not better

    def _many_is_better(self) -> bool:
        return self._seconds[True] < _GAIN * self._seconds[False]

    def took(self, many: bool, seconds: float) -> None:
        """Learns from a call."""
        if self._calls <= 0 or many not in self._seconds:
            self._seconds[many] = min(seconds, self._seconds.get(many, seconds))
            return
        looked = self._calls >= self._next_look
        if looked:  # what is known of this way is long past
            self._seconds[many] = seconds
        else:
            self._seconds[many] += _TRUST * (seconds - self._seconds[many])
        if looked:
            better = self._many_is_better()
            self._wait = _LOOK_AGAIN if better == many else min(2 * self._wait, _LEAST_OFTEN)
            self._next_look = self._calls + self._wait
