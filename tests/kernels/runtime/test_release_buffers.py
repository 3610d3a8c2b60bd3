"""Buffers that are used again."""

from bitspike import kernels
from bitspike.kernels.runtime.memory import pool

SHAPE = (300, 301)


def test_a_buffer_is_used_again_when_nobody_holds_it() -> None:
    buffer = pool.empty(SHAPE)
    address = buffer.data_ptr()
    assert pool.empty(SHAPE).data_ptr() != address
    del buffer
    addresses = {pool.empty(SHAPE).data_ptr() for _ in range(pool.KEPT)}
    assert address in addresses


def test_memory_that_another_process_may_read_is_left_alone() -> None:
    shared = pool.empty(SHAPE).share_memory_()  # type: ignore[no-untyped-call]
    address = shared.data_ptr()
    del shared
    held = [pool.empty(SHAPE) for _ in range(pool.KEPT + 1)]
    assert address not in {buffer.data_ptr() for buffer in held}


def test_released_buffers_are_not_used_again_and_what_is_in_use_stays() -> None:
    kept = pool.empty((400, 200)).fill_(3)
    kernels.release_buffers()
    assert kept.eq(3).all()
    fresh = pool.empty((400, 200))
    assert fresh.data_ptr() != kept.data_ptr()
