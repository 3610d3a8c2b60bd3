"""The choice of threads follows what was measured."""

import pytest

from bitspike.kernels.runtime.threads import ThreadChoice


def run(choice: ThreadChoice, calls: int, one: float, many: float) -> list[bool]:
    """Which way ``calls`` calls took that last ``one`` or ``many`` seconds."""
    taken = []
    for _ in range(calls):
        way = choice.with_many()
        choice.took(way, many if way else one)
        taken.append(way)
    return taken


FIRST = [True] * 3 + [False] * 3


def test_both_ways_are_tried_first() -> None:
    assert run(ThreadChoice(), 6, 1.0, 1.0) == FIRST


def test_new_memory_in_the_first_calls_is_not_held_against_a_way() -> None:
    choice = ThreadChoice()
    times = iter([9.0, 4.0, 0.6, 3.0, 1.0, 1.0, 0.6, 0.6, 0.6])
    ways = []
    for seconds in times:
        ways.append(choice.with_many())
        choice.took(ways[-1], seconds)
    assert ways == [*FIRST, True, True, True]


def test_one_slow_call_changes_nothing() -> None:
    choice = ThreadChoice()
    run(choice, 20, 1.0, 0.6)
    run(choice, 1, 1.0, 100.0)
    assert all(run(choice, 10, 1.0, 0.6))


@pytest.mark.parametrize(("one", "many", "better"), [(1.0, 0.6, True), (1.0, 1.1, False)])
def test_the_faster_way_is_kept(one: float, many: float, better: bool) -> None:
    taken = run(ThreadChoice(), 20_000, one, many)
    assert taken[6:].count(better) >= 0.998 * len(taken)
    assert (not better) in taken[100:], "the other way is tried again"


def test_a_small_gain_is_not_worth_the_risk() -> None:
    assert run(ThreadChoice(), 100, 1.0, 0.97)[6:30] == [False] * 24


def test_it_notices_that_a_core_was_taken_and_given_back() -> None:
    choice = ThreadChoice()
    run(choice, 200, 1.0, 0.6)
    taken = run(choice, 200, 1.0, 50.0)  # another process holds a core
    assert taken[:1] == [True]
    assert taken.count(True) <= 13
    back = run(choice, 10_000, 1.0, 0.6)
    assert back[-1]
    assert back.count(True) > 5_000
