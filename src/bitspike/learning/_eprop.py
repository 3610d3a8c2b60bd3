"""E-prop: a recurrent network of (adaptive) LIF neurons that learns step by step."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bitspike.base import MemoryModule
from bitspike.learning._learner import check_taus, euler
from bitspike.surrogate import Sigmoid, SurrogateFunctionBase

FEEDBACKS = ("symmetric", "random")


class EPropNetwork(MemoryModule):
    """LIF neurons, recurrent if wanted, adaptive if wanted, with leaky readouts.

    ::

        H[t] = V[t-1] - V[t-1] / tau + W_in X[t] + W_rec S[t-1]
        S[t] = Theta(H[t] - v_threshold - beta A[t-1])
        V[t] = H[t] - v_threshold S[t]                     no gradient through this S
        A[t] = A[t-1] - A[t-1] / tau_adaptation + S[t]
        Y[t] = Y[t-1] - Y[t-1] / tau_out + W_out S[t] + b

    Called as a module it is differentiable, and backward through it is BPTT. `online_step` runs
    the same step without a graph and keeps eligibilities instead; `learn` turns them into
    gradients, step by step, in memory that does not grow with T::

        psi[t]   = derivative of the surrogate at H[t] - v_threshold - beta A[t-1]
        p[t]     = p[t-1] - p[t-1] / tau + X[t]            of W_rec: S[t-1] for X[t]
        e[t]     = psi[t] (p[t] - beta q[t-1])             for each weight and sample
        q[t]     = q[t-1] - q[t-1] / tau_adaptation + e[t]
        e_out[t] = e_out[t-1] - e_out[t-1] / tau_out + e[t]
        dE[t] / dW = sum_B (W_feedback dE[t] / dY[t]) e_out[t]

    With symmetric feedback and without recurrent connections this is the gradient of BPTT. With
    them, it lacks the effect of a spike on other neurons by way of ``W_rec``.

    Eligibilities take ``[B, H, I]`` (and ``[B, H, H]``) numbers, twice with ``beta > 0``.

    G. Bellec et al.: A solution to the learning dilemma for recurrent networks of spiking
    neurons, Nature Communications 11 (2020).

    Shape: input ``[B, I]``, output ``Y[t]``, ``[B, O]``; with a leading T in multi-step mode.

    Args:
        in_features: I.
        hidden_features: H.
        out_features: O.
        tau: membrane time constant in time steps, at least 1.
        tau_out: time constant of the readouts in time steps; with 1 they forget at each step.
        tau_adaptation: time constant of the threshold's adaptation in time steps.
        beta: by how much a spike raises the threshold; 0: LIF neurons.
        v_threshold: threshold of the membrane potential.
        recurrent: False leaves out ``W_rec``.
        feedback: ``'symmetric'``: errors reach the neurons by ``W_out``; ``'random'``: by a fixed
            random matrix, the buffer ``random_feedback``.
        surrogate_function: spike function with a surrogate gradient; None is
            ``surrogate.Sigmoid()``.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        ValueError: for a size below 1, a time constant below 1, beta below 0 or another feedback.
    """

    v: float | Tensor
    a: float | Tensor
    s: float | Tensor
    y: float | Tensor
    random_feedback: Tensor
    traces: dict[str, Any] | None

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: int,
        tau: float = 20.0,
        tau_out: float = 20.0,
        tau_adaptation: float = 200.0,
        beta: float = 0.0,
        v_threshold: float = 1.0,
        recurrent: bool = True,
        feedback: str = "symmetric",
        surrogate_function: SurrogateFunctionBase | None = None,
        step_mode: str = "s",
    ) -> None:
        check_taus(1, tau=tau, tau_out=tau_out, tau_adaptation=tau_adaptation)
        sizes = {"in": in_features, "hidden": hidden_features, "out": out_features}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"EPropNetwork: {name}_features must be at least 1, got {size}")
        if not beta >= 0:
            raise ValueError(f"EPropNetwork: beta must be at least 0, got {beta}")
        if feedback not in FEEDBACKS:
            raise ValueError(f"EPropNetwork: feedback must be one of {FEEDBACKS}, got {feedback!r}")
        super().__init__()
        self.in_features, self.hidden_features = in_features, hidden_features
        self.out_features = out_features
        self.tau, self.tau_out, self.tau_adaptation = tau, tau_out, tau_adaptation
        self.beta, self.v_threshold, self.feedback = float(beta), float(v_threshold), feedback
        self.surrogate_function = Sigmoid() if surrogate_function is None else surrogate_function
        self.step_mode = step_mode
        self.w_in = nn.Parameter(_normal(hidden_features, in_features))
        self.w_rec = nn.Parameter(_normal(hidden_features, hidden_features)) if recurrent else None
        self.w_out = nn.Parameter(_normal(out_features, hidden_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.register_buffer("random_feedback", _normal(out_features, hidden_features))
        for state in ("v", "a", "s", "y"):
            self.register_memory(state, 0.0)
        self.register_memory("traces", None)

    # -- the network ---------------------------------------------------------------------------

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return ``Y[t]``, ``[B, O]``, of an input ``[B, I]``; differentiable."""
        return self._advance(x)[0]

    def _advance(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run one time step; return ``Y[t]``, ``S[t]`` and how far ``H[t]`` is above threshold."""
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ValueError(
                f"{self._whoami()}: an input of one time step is [B, {self.in_features}], but got "
                f"shape {tuple(x.shape)}"
            )
        current = self.watch(F.linear(x, self.w_in))
        s = self.memory_like("s", current)
        if self.w_rec is not None:
            current = current + F.linear(s, self.w_rec)
        v, a = self.memory_like("v", current), self.memory_like("a", current)
        h = euler(v, current, self.tau)
        above = h - self.v_threshold - self.beta * a
        s = self.surrogate_function(above)
        readout = F.linear(s, self.w_out, self.bias)
        y = euler(self.memory_like("y", readout), readout, self.tau_out)
        self.v = h - self.v_threshold * s.detach()
        self.a = euler(a, s, self.tau_adaptation)
        self.s, self.y = s, y
        return y, s, above

    # -- e-prop --------------------------------------------------------------------------------

    @torch.no_grad()
    def online_step(self, x: Tensor) -> Tensor:
        """Return ``Y[t]``, ``[B, O]``, of an input ``[B, I]``, and advance the eligibilities.

        There is no graph.

        Raises:
            StateError: if the state is of an input of another shape.
        """
        before = self.s
        y, s, above = self._advance(x)
        psi = self._derivative(above)
        traces = self.traces or {}
        traces["out"] = _trace(traces.get("out"), s, self.tau_out)
        traces["bias"] = _trace(traces.get("bias"), torch.ones_like(self.bias), self.tau_out)
        self._eligibility(traces, "w_in", x, psi)
        if self.w_rec is not None:
            spikes = before if isinstance(before, Tensor) else torch.zeros_like(s)
            self._eligibility(traces, "w_rec", spikes, psi)
        self.traces = traces
        return y

    @torch.no_grad()
    def learn(self, error: Tensor) -> None:
        """Add the contribution of this time step's loss to the gradients.

        Args:
            error: ``dE[t] / dY[t]``, ``[B, O]``.

        Raises:
            RuntimeError: if `online_step` has not run since the reset.
        """
        traces = self.traces
        if traces is None:
            raise RuntimeError(f"{self._whoami()}: call online_step(x) before learn(error)")
        back = self.w_out if self.feedback == "symmetric" else self.random_feedback
        signal = error @ back
        for name in ("w_in", "w_rec"):
            if name in traces:
                eligibility = traces[name]["out"]
                _add(getattr(self, name), torch.einsum("bh,bhi->hi", signal, eligibility))
        _add(self.w_out, error.t() @ traces["out"])
        _add(self.bias, error.sum(0) * traces["bias"])

    def _derivative(self, above: Tensor) -> Tensor:
        with torch.enable_grad():
            point = above.detach().requires_grad_()
            (psi,) = torch.autograd.grad(self.surrogate_function(point).sum(), point)
        return psi

    def _eligibility(self, traces: dict[str, Any], name: str, pre: Tensor, psi: Tensor) -> None:
        """Advance the eligibilities of one weight."""
        own = traces.setdefault(name, {})
        own["pre"] = _trace(own.get("pre"), pre, self.tau)
        e = psi.unsqueeze(2) * own["pre"].unsqueeze(1)
        if self.beta:
            if "adaptation" in own:
                e = e - self.beta * psi.unsqueeze(2) * own["adaptation"]
            own["adaptation"] = _trace(own.get("adaptation"), e, self.tau_adaptation)
        own["out"] = _trace(own.get("out"), e, self.tau_out)

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        sizes = f"{self.in_features}, {self.hidden_features}, {self.out_features}"
        return (
            f"{sizes}, tau={self.tau}, tau_out={self.tau_out}, beta={self.beta}, "
            f"recurrent={self.w_rec is not None}, feedback={self.feedback!r}"
        )


def _normal(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns).div_(columns**0.5)


def _trace(before: Tensor | None, x: Tensor, tau: float) -> Tensor:
    return x.clone() if before is None else euler(before, x, tau)


def _add(parameter: Tensor, gradient: Tensor) -> None:
    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
