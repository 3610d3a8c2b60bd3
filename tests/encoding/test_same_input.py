"""An encoder that plays a spike train notices that another input is given."""

import copy
import io
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bitspike import base, encoding, functional
from bitspike.base import StateError
from bitspike.encoding import LatencyEncoder, PeriodicEncoder, StatefulEncoder, WeightedPhaseEncoder

T = 4


class Thermometer(StatefulEncoder):
    """An encoder of a user's."""

    def single_step_encode(self, x: Tensor) -> Tensor:
        return torch.stack([(x > t / self.T).float() for t in range(self.T)])


MAKERS: dict[str, Callable[[], StatefulEncoder]] = {
    "linear": lambda: LatencyEncoder(T),
    "log": lambda: LatencyEncoder(T, "log"),
    "phase": lambda: WeightedPhaseEncoder(T),
    "periodic": lambda: PeriodicEncoder(torch.rand(T, 3)),
    "user's": lambda: Thermometer(T),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=list(MAKERS))


def image() -> Tensor:
    return torch.rand(3, 2) * 0.9


def give(encoder: StatefulEncoder, x: Tensor, steps: int = 2) -> Tensor:
    """``steps`` steps in the encoder's mode."""
    if encoder.step_mode == "m":
        return encoder(x.expand(steps, *x.shape))  # type: ignore[no-any-return]
    return torch.stack([encoder(x) for _ in range(steps)])


@pytest.mark.parametrize("step_mode", ["s", "m"])
@every
def test_another_input_before_a_reset(make: Callable[[], StatefulEncoder], step_mode: str) -> None:
    encoder, x = make(), image()
    functional.set_step_mode(nn.Sequential(nn.Identity(), encoder), step_mode)
    give(encoder, x)
    t = encoder.t
    changed = x.clone()
    changed[2, 1] += 0.0625
    for other in (changed, x[:2], x.unsqueeze(0), x.to("meta")):
        with pytest.raises(StateError, match=r"'1': .*earlier input of shape \(3, 2\).*reset_net"):
            give(encoder, other)
    assert encoder.t == t, "an input that is refused does not move the encoder on"
    functional.reset_net(encoder)
    assert torch.equal(give(encoder, changed), give(make_like(encoder, step_mode), changed))


def make_like(encoder: StatefulEncoder, step_mode: str) -> StatefulEncoder:
    twin = copy.deepcopy(encoder)
    twin.reset()
    twin.step_mode = step_mode
    return twin


@pytest.mark.parametrize("step_mode", ["s", "m"])
@every
def test_the_same_input_goes_on(make: Callable[[], StatefulEncoder], step_mode: str) -> None:
    encoder, x = make(), image()
    encoder.step_mode = step_mode
    train = give(encoder, x, 3 * T)
    period = len(encoder.spike)  # type: ignore[arg-type]
    assert torch.equal(train[period:], train[:-period])
    at = 3 * T % period
    for same in (x, x.clone(), x.double() if step_mode == "s" else x.contiguous()):
        assert torch.equal(give(encoder, same, 1)[0], train[at])
        at = (at + 1) % period


class Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations of torch's."""

    calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.calls += 1
        return func(*args, **(kwargs or {}))


@every
def test_the_same_tensor_costs_nothing(make: Callable[[], StatefulEncoder]) -> None:
    encoder, x = make(), image()
    encoder(x)
    with Count() as without:  # type: ignore[no-untyped-call]
        encoder()
    with Count() as same:  # type: ignore[no-untyped-call]
        encoder(x)
    assert same.calls == without.calls


def test_a_buffer_that_is_filled_anew() -> None:
    encoder, buffer = LatencyEncoder(T), image()
    encoder(buffer)
    buffer.copy_(buffer.clone())  # the same values
    encoder(buffer)
    buffer.fill_(0.5)
    with pytest.raises(StateError, match="another input"):
        encoder(buffer)
    with torch.inference_mode():
        functional.reset_net(encoder)
        buffer = image()
        encoder(buffer)
        buffer.fill_(0.5)
        with pytest.raises(StateError, match="another input"):
            encoder(buffer)


def test_nan_is_nan() -> None:
    encoder = Thermometer(T)
    encoder(torch.tensor([float("nan"), 0.5]))
    encoder(torch.tensor([float("nan"), 0.5]))
    with pytest.raises(StateError):
        encoder(torch.tensor([0.5, float("nan")]))


@every
def test_steps_that_differ(make: Callable[[], StatefulEncoder]) -> None:
    encoder = make()
    encoder.step_mode = "m"
    x = image()
    with pytest.raises(ValueError, match=r"held over time.*shape \(2, 3, 2\) differ"):
        encoder(torch.stack([x, x + 0.01]))
    assert encoder.spike is None
    played = encoder(torch.stack([x, x]))
    assert encoder.spike is not None
    assert torch.equal(played, encoder.spike[[0, 1]])


@every
def test_what_moves_copies_and_cuts_keeps_the_watch(make: Callable[[], StatefulEncoder]) -> None:
    x, other = image(), image()
    for change in (lambda e: e.double(), copy.deepcopy, through_a_file, cut):
        encoder = make()
        encoder(x)
        again = change(encoder)
        again(x)
        with pytest.raises(StateError):
            again(other)


def through_a_file(encoder: StatefulEncoder) -> StatefulEncoder:
    file = io.BytesIO()
    torch.save(encoder, file)
    file.seek(0)
    return torch.load(file, weights_only=False)  # type: ignore[no-any-return]


def cut(encoder: StatefulEncoder) -> StatefulEncoder:
    functional.detach_net(encoder)
    return encoder


@every
def test_states_of_the_callers(make: Callable[[], StatefulEncoder]) -> None:
    encoder, x, other = make(), image(), image()
    first = encoder(x)
    for call in (
        encoder.functional_forward,
        base.to_functional_forward(nn.Sequential(encoder)),
    ):
        _, states = call((other,), (None, 0))
        call((other,), states)
    encoder(x)
    with pytest.raises(StateError):
        encoder(other)
    kept = base.extract_memories(encoder)
    functional.reset_net(encoder)
    encoder(other)
    base.load_memories(encoder, kept)
    encoder(x)
    functional.reset_net(encoder)
    assert torch.equal(encoder(x), first)


def test_pieces_of_a_sequence() -> None:
    encoder, x = LatencyEncoder(8, step_mode="m"), image()
    pieces = functional.chunk_multi_step_forward(3, x.repeat(8, 1, 1), encoder)
    assert torch.equal(pieces, encoding.LatencyEncoder(8, step_mode="m")(x.expand(8, 3, 2)))
