"""Few-spike neurons: tables of thresholds that approximate any activation with K spikes."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Annotated, Any, Unpack

import torch
from torch import Tensor, nn

from bitspike.base import StepModule, check_finite, check_sequence
from bitspike.neuron._arguments import Older, Potential, Surrogate, Unit
from bitspike.neuron._catalogue import Demo, Describable
from bitspike.neuron._run import run, single_backend
from bitspike.surrogate import Sigmoid

Numbers = Tensor | Sequence[float]


def _numbers(name: str, values: Numbers) -> Tensor:
    tensor = torch.as_tensor(values)
    if tensor.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, but has shape {tuple(tensor.shape)}")
    if tensor.is_complex():
        raise TypeError(f"{name} must be real numbers, but is {tensor.dtype}")
    if not tensor.is_floating_point():
        tensor = tensor.to(torch.get_default_dtype())
    if not tensor.isfinite().all():
        raise ValueError(f"{name} must be finite, but is {tensor.tolist()}")
    return tensor.detach().clone()


class FewSpikeTable:
    """The three numbers of each of the K steps of a few-spike neuron.

    Args:
        theta: thresholds, K numbers.
        h: amounts by which a spike lowers the potential, K numbers.
        d: amounts that a spike adds to the output, K numbers.

    Raises:
        TypeError: if they are complex.
        ValueError: if they are empty, not one-dimensional, not finite, or of different lengths.
    """

    def __init__(self, theta: Numbers, h: Numbers, d: Numbers) -> None:
        self.theta = _numbers("theta", theta)
        self.h = _numbers("h", h)
        self.d = _numbers("d", d)
        lengths = [len(self.theta), len(self.h), len(self.d)]
        if lengths != [lengths[0]] * 3 or not lengths[0]:
            raise ValueError(f"theta, h and d must have the same length K >= 1, but have {lengths}")

    @property
    def K(self) -> int:  # noqa: N802
        """Number of steps."""
        return len(self.theta)


def _checked(module: nn.Module, name: str, table: FewSpikeTable, K: int | None) -> FewSpikeTable:
    kind = type(module).__name__
    if not isinstance(table, FewSpikeTable):
        raise TypeError(f"{kind}: {name} must be a FewSpikeTable, but got {table!r}")
    if K is not None and table.K != K:
        raise ValueError(f"{kind}: {name} must have K = {K} steps, but has {table.K}")
    return table


def _halving(largest: float, K: int, height: float = 1.0) -> FewSpikeTable:
    """Return a table for the demos: thresholds ``largest``, ``largest / 2``, ..."""
    theta = [largest / 2**k for k in range(K)]
    return FewSpikeTable(theta, theta, [height * value for value in theta])


_FINE, _COARSE, _GATED = _halving(2.0, 4), _halving(8.0, 4), _halving(0.8, 4, 0.5)
_SMALL, _LARGE = _halving(1.0, 3), _halving(2.0, 3)
_CODE = ("modes", "parts")  # a single step is the whole code of K spikes


class FewSpikeNode(Describable, nn.Module, StepModule):
    """Few-spike neuron: at most one spike in each of the K steps of a table.

    ::

        V[1] = X
        Z[k] = Theta(V[k] - theta[k])
        V[k+1] = V[k] - h[k] Z[k]

    Single-step: the output for ``X`` of shape ``[B, ...]`` is ``sum over k of d[k] Z[k]``,
    ``[B, ...]``. Multi-step: the input is ``[K, B, ...]``, of which the sum is ``X``, and the
    output is ``d[k] Z[k]`` for each step, ``[K, B, ...]``. The neuron holds no state.

    Args:
        table: thresholds, reset values and weights; buffers ``theta``, ``h``, ``d``.

    Raises:
        TypeError: if ``table`` is no `FewSpikeTable`, or an input has no floating-point dtype.
        ValueError: if a multi-step input does not have K steps.

    Paper: Stoeckl and Maass, "Optimized spiking neurons can classify images with high accuracy
    through temporal coding with two spikes", Nature Machine Intelligence 2021.
    """

    group = "conversion"
    demo = Demo((), {"table": _FINE}, {"table": _SMALL}, _CODE, curve=(-1.0, 5.0))

    theta: Tensor
    h: Tensor
    d: Tensor

    def __init__(
        self,
        table: FewSpikeTable,
        surrogate_function: Surrogate | None = None,
        step_mode: str = "s",
        **older: Unpack[Older],
    ) -> None:
        self._begin(surrogate_function, step_mode, older)
        _checked(self, "table", table, None)
        for name in ("theta", "h", "d"):
            self.register_buffer(name, getattr(table, name).clone())

    def _begin(self, surrogate_function: Surrogate | None, step_mode: str, older: Older) -> None:
        nn.Module.__init__(self)
        self.surrogate_function = Sigmoid() if surrogate_function is None else surrogate_function
        self.step_mode = step_mode
        self._accept(older)

    @property
    def K(self) -> int:  # noqa: N802
        """Number of steps."""
        return len(self.theta)

    def _row(self, k: int, x: Any) -> tuple[Any, Any, Any]:  # noqa: ARG002
        """Return ``theta``, ``h`` and ``d`` of step k for the whole input ``x``."""
        return self.theta[k], self.h[k], self.d[k]

    def _step(self, k: int, x: Any, v: Any) -> tuple[Any, Any]:
        """Return ``d[k] Z[k]`` and ``V[k+1]``."""
        theta, h, d = self._row(k, x)
        z = self.surrogate_function(v - theta)
        return d * z, v - h * z

    def _weighted_spikes(self, x: Tensor) -> Iterable[Tensor]:
        """Return ``d[k] Z[k]`` of each step for the whole input ``x``, ``[B, ...]``."""
        return self._run(x, x)

    def _run(self, x: Tensor, v: Tensor) -> Iterable[Tensor]:
        backend = single_backend(self.backend, x)
        for k in range(self.K):  # another table each time, so that each is a scan of one step
            step = partial(self._step, k)
            y, (v,), _ = run(step, x.unsqueeze(0), [v], backend=backend, bits=False)
            yield y[0]

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the approximated activation ``[B, ...]`` of ``x``, ``[B, ...]``."""
        self._check_dtype(x)
        return sum(self._weighted_spikes(x), start=torch.zeros_like(x))

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the weighted spikes ``[K, B, ...]`` of the sum of ``x_seq``, ``[K, B, ...]``."""
        self._check_dtype(x_seq)
        check_sequence(self, x_seq, self.K)
        return torch.stack(list(self._weighted_spikes(x_seq.sum(0))))

    def _check_dtype(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise TypeError(
                f"{type(self).__name__}: the input must have a floating-point dtype, but has "
                f"{x.dtype}"
            )

    def extra_repr(self) -> str:
        """Return the number of steps and the other settings for ``repr(net)``."""
        return f"K={self.K}, {super().extra_repr()}"

    def forward(self, x: Tensor) -> Tensor:
        """Return the output for a value or for a sequence, as `step_mode` says."""
        return self.single_step_forward(x) if self.step_mode == "s" else self.multi_step_forward(x)


class OutlierAwareThresholdNode(FewSpikeNode):
    """Few-spike neuron with a second table for large inputs, applied to both signs.

    ``|X|`` runs through ``table`` where ``|X| <= split_threshold``, else through
    ``outlier_table``; the output takes the sign of ``X``. Steps, shapes and the other arguments:
    see `FewSpikeNode`.

    Args:
        table: the table of ordinary inputs.
        outlier_table: the table of large inputs, with as many steps.
        split_threshold: the largest ordinary ``|X|``.
        clamp_value: inputs are clamped to plus and minus this first; None leaves them.

    Raises:
        ValueError: if the tables differ in length, ``split_threshold`` is negative or not
            finite, or ``clamp_value`` is not positive or smaller than ``split_threshold``.

    Paper: LAS, arXiv:2505.09659, 2025 (conversion of large language models).
    """

    group = "conversion"
    demo = Demo(
        (),
        {"table": _FINE, "outlier_table": _COARSE, "split_threshold": 3.75},
        {"table": _SMALL, "outlier_table": _LARGE, "split_threshold": 1.0},
        _CODE,
        curve=(-18.0, 18.0),
    )

    outlier_theta: Tensor
    outlier_h: Tensor
    outlier_d: Tensor

    def __init__(
        self,
        table: FewSpikeTable,
        outlier_table: FewSpikeTable,
        split_threshold: Potential,
        clamp_value: Potential | None = None,
        surrogate_function: Surrogate | None = None,
        step_mode: str = "s",
        **older: Unpack[Older],
    ) -> None:
        super().__init__(table, surrogate_function, step_mode, **older)
        _checked(self, "outlier_table", outlier_table, table.K)
        for name in ("theta", "h", "d"):
            self.register_buffer(f"outlier_{name}", getattr(outlier_table, name).to(self.theta))
        self.split_threshold = check_finite(self, "split_threshold", split_threshold)
        if self.split_threshold < 0:
            raise ValueError(
                f"{type(self).__name__}: split_threshold must not be negative, but got "
                f"{split_threshold!r}"
            )
        self.clamp_value = None
        if clamp_value is not None:
            self.clamp_value = check_finite(self, "clamp_value", clamp_value)
            if not self.clamp_value >= max(self.split_threshold, 5e-324):
                raise ValueError(
                    f"{type(self).__name__}: clamp_value must be positive and at least "
                    f"split_threshold={self.split_threshold:g}, but got {clamp_value!r}"
                )

    def _weighted_spikes(self, x: Tensor) -> Iterable[Tensor]:
        if self.clamp_value is not None:
            x = x.clamp(-self.clamp_value, self.clamp_value)
        return self._run(x, x.abs())

    def _row(self, k: int, x: Any) -> tuple[Any, Any, Any]:
        ordinary = torch.abs(x) <= self.split_threshold
        theta = torch.where(ordinary, self.theta[k], self.outlier_theta[k])
        h = torch.where(ordinary, self.h[k], self.outlier_h[k])
        return theta, h, torch.where(ordinary, self.d[k], self.outlier_d[k])

    def _step(self, k: int, x: Any, v: Any) -> tuple[Any, Any]:
        y, v = super()._step(k, x, v)
        return y * torch.sign(x.detach()), v


class HGNode(FewSpikeNode):
    """Few-spike neuron with a table for each region of the input (hierarchically gated).

    ``X`` runs through ``tables[i]`` with i the number of ``gate_thresholds`` that are smaller
    than ``X``. Steps, shapes and the other arguments: see `FewSpikeNode`.

    Args:
        tables: one table for each region, all with K steps; buffers ``region_theta``,
            ``region_h`` and ``region_d`` of shape ``[regions, K]``.
        gate_thresholds: the borders between the regions, one fewer than tables, increasing.

    Raises:
        TypeError: if an entry of ``tables`` is no `FewSpikeTable`.
        ValueError: if there is no table, the tables differ in length, or the borders do not fit.

    Paper: LAS, arXiv:2505.09659, 2025 (conversion of large language models).
    """

    group = "conversion"
    demo = Demo(
        (),
        {"tables": [_GATED, _FINE], "gate_thresholds": [1.0]},
        {"tables": [_SMALL, _LARGE], "gate_thresholds": [1.0]},
        _CODE,
        curve=(-1.0, 5.0),
    )

    region_theta: Tensor
    region_h: Tensor
    region_d: Tensor
    gate_thresholds: Tensor

    def __init__(
        self,
        tables: Sequence[FewSpikeTable],
        gate_thresholds: Annotated[Numbers, Unit("of v")],
        surrogate_function: Surrogate | None = None,
        step_mode: str = "s",
        **older: Unpack[Older],
    ) -> None:
        self._begin(surrogate_function, step_mode, older)
        if len(tables) == 0:
            raise ValueError("HGNode: tables must hold at least one FewSpikeTable")
        for i, table in enumerate(tables):
            _checked(self, f"tables[{i}]", table, tables[0].K if i else None)
        borders = _numbers("HGNode: gate_thresholds", gate_thresholds).to(tables[0].theta)
        if len(borders) != len(tables) - 1 or not (borders.diff() > 0).all():
            raise ValueError(
                f"HGNode: gate_thresholds must be {len(tables) - 1} increasing numbers for "
                f"{len(tables)} tables, but got {borders.tolist()}"
            )
        for name in ("theta", "h", "d"):
            rows = [getattr(table, name).to(getattr(tables[0], name)) for table in tables]
            self.register_buffer(f"region_{name}", torch.stack(rows))
        self.register_buffer("gate_thresholds", borders)

    @property
    def K(self) -> int:  # noqa: N802
        """Number of steps."""
        return self.region_theta.shape[1]

    def _row(self, k: int, x: Any) -> tuple[Any, Any, Any]:
        def chosen(table: Tensor) -> Any:
            value: Any = table[0, k]
            for i, gate in enumerate(self.gate_thresholds):
                value = torch.where(x > gate, table[i + 1, k], value)
            return value

        return chosen(self.region_theta), chosen(self.region_h), chosen(self.region_d)
