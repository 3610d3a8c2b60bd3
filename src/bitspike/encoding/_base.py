"""The bases of the encoders: without memory, and with a train of spikes that is played."""

import weakref
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import dispatch
from bitspike.base import MemoryModule, StateError, States, StepModule, check_sequence
from bitspike.spikes import pack


def real(x: Tensor) -> Tensor:
    """Return ``x`` as a floating-point tensor; integers and bool come in the default dtype."""
    return x if x.is_floating_point() else x.to(torch.get_default_dtype())


def as_bits(spikes: Tensor, backend: str) -> Tensor:
    """Return spikes ``[T, B, ...]`` stored as bits where ``backend`` makes bits."""
    if dispatch.choose("bits", spikes.device, backend=backend) is None:
        return spikes
    packed: Tensor = _Packed.apply(spikes)  # type: ignore[no-untyped-call]
    return packed


class _Packed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, spikes: Tensor) -> Tensor:  # noqa: ARG004
        return pack(spikes)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        return grad


class StatelessEncoder(nn.Module, StepModule):
    """Base of the encoders that treat every time step alike and remember nothing.

    Input and output have the same shape: ``[B, ...]`` a time step, or ``[T, B, ...]``.
    """

    def __init__(self, step_mode: str = "s") -> None:
        super().__init__()
        self.step_mode = step_mode

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return f"step_mode={self.step_mode!r}"


class StatefulEncoder(MemoryModule):
    """Base of the encoders that make a spike train of ``T`` steps and then play it, over and over.

    The input is read at the first call after a reset, ``[B, ...]`` in single-step mode; later
    calls take the same input again, or none. In multi-step mode the input is held over time,
    ``img.expand(T', *img.shape)``, and T' steps are played. Multi-step output is a
    `bitspike.spikes.SpikeTensor` where the backend makes bits.

    A subclass writes `single_step_encode`.

    Args:
        T: length of the spike train in time steps.
        step_mode: ``'s'`` or ``'m'``.

    Attributes:
        spike: the spike train ``[T, B, ...]``, or None before the first input.
        t: the step that is played next.

    Raises:
        ValueError: if ``T`` is no integer of 1 or more; at a first call without input; at a
            multi-step input whose time steps differ.
        StateError: at another input than the one that is being played, without a reset between.
    """

    spike: Tensor | None
    t: int
    # The tensor that was last found equal to the source of the spikes, with its version: it need
    # not be compared again.
    _seen: tuple[weakref.ref[Tensor], int, weakref.ref[Tensor]] | None = None

    def __init__(self, T: int, step_mode: str = "s") -> None:
        super().__init__()
        if isinstance(T, bool) or not isinstance(T, int) or T < 1:
            raise ValueError(
                f"{type(self).__name__}: the spike train's length in time steps must be an "
                f"integer of 1 or more, but got {T!r}"
            )
        self.step_mode = step_mode
        self.T = T
        self.register_memory("spike", None)
        self.register_memory("t", 0)
        self.register_record("_input")

    @abstractmethod
    def single_step_encode(self, x: Tensor) -> Tensor:
        """Return the spike train ``[T, B, ...]`` of the input ``[B, ...]``."""
        raise NotImplementedError

    def single_step_forward(self, x: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        """Return the next time step of the spike train, ``[B, ...]``."""
        played: Tensor = self._play(super().single_step_forward, x, x, *args, **kwargs)
        return played

    def multi_step_forward(self, x_seq: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Return as many time steps of the spike train as the input has, ``[T', B, ...]``."""
        self._check_held(x_seq)
        return self._play(super().multi_step_forward, x_seq, x_seq[0], *args, **kwargs)

    def _play(
        self,
        forward: Callable[..., Any],
        given: Tensor | None,
        x: Tensor | None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Run ``forward(given)``, where ``x`` is one time step of the argument ``given``.

        Raises:
            StateError: if ``x`` is another input than the one that is being played.
        """
        fresh = self.spike is None
        source = None if fresh else self._source()
        if not (x is None or given is None or source is None or self._was_seen(given)):
            if not _same(x, source):
                raise StateError(
                    f"{self._whoami()}: the spike train of an earlier input of shape "
                    f"{tuple(source.shape)} on {source.device} is being played, but this call "
                    f"gives another input, of shape {tuple(x.shape)} on {x.device}. Call "
                    "functional.reset_net(net) after each batch; within a batch, give the same "
                    "input at each call."
                )
            self._see(given)
        played = forward(given, *args, **kwargs)
        if fresh and x is not None and given is not None:
            self._remember(x, given)
        return played

    def _source(self) -> Tensor | None:
        """Return the input of the spike train that is being played, if it is known."""
        source: Tensor | None = self._memories["_input"]
        return source

    def _remember(self, x: Tensor, given: Tensor) -> None:
        """Keep ``x``, a time step of ``given``, to be compared with later inputs."""
        self._memories["_input"] = x.detach().clone()
        self._see(given)

    def _was_seen(self, given: Tensor) -> bool:
        if self._seen is None:
            return False
        tensor, version, source = self._seen
        return tensor() is given and given._version == version and source() is self._source()

    def _see(self, given: Tensor) -> None:
        source, seen = self._source(), None
        if source is not None and not given.is_inference():  # which has no version
            seen = (weakref.ref(given), given._version, weakref.ref(source))
        self.__dict__["_seen"] = seen

    def _check_held(self, x_seq: Tensor) -> None:
        check_sequence(self, x_seq)
        held = len(x_seq) == 1 or x_seq.stride(0) == 0 or self._was_seen(x_seq)
        if not held and not _same(x_seq, x_seq[:1].expand(x_seq.shape)):
            raise ValueError(
                f"{self._whoami()}: it encodes one input that is held over time, "
                "img.expand(T, *img.shape), but the time steps of the given input of shape "
                f"{tuple(x_seq.shape)} differ"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "spike" and "_input" in self._memories:  # the new train's input is not known
            self._memories["_input"] = None

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_seen", None)
        return state

    def single_step_functional_forward(
        self,
        inputs: tuple[Any, ...],
        states: States,
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[tuple[Any, ...], States]:
        """Play one step from the states ``(spike, t)``."""
        spike, t = states
        if spike is None:
            spike = self._encoded(inputs[0] if inputs else None)
        return (spike[t],), (spike, (t + 1) % len(spike))

    def multi_step_functional_forward(
        self,
        inputs: tuple[Any, ...],
        states: States,
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[tuple[Any, ...], States]:
        """Play as many steps as the input has, from the states ``(spike, t)``."""
        (x_seq, *_), (spike, t) = inputs, states
        self._check_held(x_seq)
        if spike is None:
            spike = self._encoded(x_seq[0])
        end = t + len(x_seq)
        steps = torch.arange(t, end, device=spike.device) % len(spike)
        played = spike if t == 0 and end == len(spike) else spike[steps]
        return (self._as_bits(played),), (spike, end % len(spike))

    def _encoded(self, x: Tensor | None) -> Tensor:
        if x is None:
            raise ValueError(
                f"{self._whoami()}: there is no spike train to play yet; the first call after a "
                "reset takes the input"
            )
        return self.single_step_encode(x)

    def _as_bits(self, spikes: Tensor) -> Tensor:
        return as_bits(spikes, self.backend)

    def _check_range(self, x: Tensor, high: float, rule: str) -> None:
        """Raise ValueError unless all values lie from 0 to ``high``; NaN does not."""
        if not bool(((x >= 0) & (x <= high)).all()):
            raise ValueError(
                f"{self._whoami()}: {rule}, but the values of the input range from "
                f"{float(x.min()):g} to {float(x.max()):g} (shape {tuple(x.shape)})"
            )

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return f"T={self.T}, step_mode={self.step_mode!r}"


def _same(x: Tensor, source: Tensor) -> bool:
    """Return whether two tensors have the same shape, device and values; NaN is NaN."""
    if x.shape != source.shape or x.device != source.device:
        return False
    x = x.detach()
    return bool(((x == source) | ((x != x) & (source != source))).all())
