"""Reward-modulated STDP (MSTDP, MSTDPET): the equations of a time step, and the learners."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from bitspike.learning._learner import (
    Learner,
    Modulation,
    Traces,
    as_numbers,
    check_spikes,
    check_taus,
    exponential,
    identity,
)


def mstdp_linear_step(
    in_spike: Tensor,
    out_spike: Tensor,
    trace: Traces,
    weight: Tensor,
    *,
    tau_pre: float,
    tau_post: float,
    f_pre: Modulation = identity,
    f_post: Modulation = identity,
) -> tuple[Tensor, Traces]:
    """Return the eligibility of one time step of reward-modulated STDP (MSTDP), and the traces.

    ::

        tr_pre[t]  = tr_pre[t-1]  exp(-1 / tau_pre)  + s_pre[t]
        tr_post[t] = tr_post[t-1] exp(-1 / tau_post) + s_post[t]
        e[t] = f_post(w) s_post[t] tr_pre[t] - f_pre(w) tr_post[t] s_pre[t]

    R. V. Florian: Reinforcement learning through modulation of spike-timing-dependent synaptic
    plasticity, Neural Computation 19 (2007).

    Args:
        in_spike: ``s_pre[t]``, ``[B, I]``.
        out_spike: ``s_post[t]``, ``[B, O]``.
        trace: ``tr_pre[t-1]`` and ``tr_post[t-1]``, in the shapes of the spikes.
        weight: ``w``, ``[O, I]``.
        tau_pre: time constant of ``tr_pre`` in time steps, positive.
        tau_post: time constant of ``tr_post`` in time steps, positive.
        f_pre: how much the weight weakens, as a function of itself.
        f_post: how much it grows.

    Returns:
        ``e[t]``, ``[B, O, I]``, and the two traces at ``t``. The arguments are not changed.

    Raises:
        ValueError: for a time constant that is not positive, or shapes or devices that do not
            fit.
    """
    return _eligibility(in_spike, out_spike, trace, weight, 2, tau_pre, tau_post, f_pre, f_post)


def mstdpet_linear_step(
    in_spike: Tensor,
    out_spike: Tensor,
    trace: Traces,
    weight: Tensor,
    *,
    tau_pre: float,
    tau_post: float,
    f_pre: Modulation = identity,
    f_post: Modulation = identity,
) -> tuple[Tensor, Traces]:
    """Return what `mstdp_linear_step` returns, for one sample without a batch axis.

    ``in_spike`` is ``[I]``, ``out_spike`` ``[O]``, and the eligibility ``[O, I]``, which
    `mstdpet_reward_step` takes.

    Raises:
        ValueError: for a time constant that is not positive, or shapes or devices that do not
            fit.
    """
    return _eligibility(in_spike, out_spike, trace, weight, 1, tau_pre, tau_post, f_pre, f_post)


def _eligibility(
    pre: Tensor,
    post: Tensor,
    trace: Traces,
    weight: Tensor,
    ndim: int,
    tau_pre: float,
    tau_post: float,
    f_pre: Modulation,
    f_post: Modulation,
) -> tuple[Tensor, Traces]:
    check_taus(0, tau_pre=tau_pre, tau_post=tau_post)
    check_spikes(pre, post, trace, weight, ndim)
    pre, post = as_numbers(pre, weight), as_numbers(post, weight)
    trace_pre = exponential(trace[0], pre, tau_pre)
    trace_post = exponential(trace[1], post, tau_post)
    grown = f_post(weight) * (post.unsqueeze(-1) * trace_pre.unsqueeze(-2))
    weakened = f_pre(weight) * (trace_post.unsqueeze(-1) * pre.unsqueeze(-2))
    return grown - weakened, (trace_pre, trace_post)


def mstdpet_reward_step(
    reward: Tensor | float, eligibility: Tensor, trace_e: Tensor, *, tau_trace: float
) -> tuple[Tensor, Tensor]:
    """Return the weight change that a reward brings in MSTDPET, and the eligibility trace.

    ::

        tr_e[t] = tr_e[t-1] exp(-1 / tau_trace) + e[t] / tau_trace
        dw[t] = r[t] tr_e[t]

    Args:
        reward: ``r[t]``, a number or a tensor that broadcasts with the trace.
        eligibility: ``e[t]``, of `mstdpet_linear_step`.
        trace_e: ``tr_e[t-1]``, ``[O, I]``.
        tau_trace: time constant of the trace in time steps, positive.

    Returns:
        ``dw[t]`` and ``tr_e[t]``, both ``[O, I]``.

    Raises:
        ValueError: if ``tau_trace`` is not positive and finite.
    """
    check_taus(0, tau_trace=tau_trace)
    trace_e = exponential(trace_e, eligibility / tau_trace, tau_trace)
    return reward * trace_e, trace_e


class _RewardLearner(Learner):
    """A learner whose eligibilities wait for the reward of the next time step."""

    _state = (*Learner._state, "eligibility")
    _linear_step: ClassVar[Callable[..., tuple[Tensor, Traces]]]

    eligibility: Tensor | None

    def supported_step_mode(self) -> tuple[str, ...]:
        """Return single-step mode only."""
        return ("s",)

    @torch.no_grad()
    def step(
        self, reward: float | Tensor, on_grad: bool = True, scale: float = 1.0
    ) -> Tensor | None:
        """Apply the change that the reward of this time step makes of earlier activity.

        The reward acts on the eligibility of the step before; the first step changes nothing.

        Args:
            reward: ``r[t]``.
            on_grad: True subtracts the change from ``synapse.weight.grad``; False returns it.
            scale: factor of the change.

        Returns:
            With ``on_grad=False`` the change, ``[O, I]``; None if nothing was recorded.

        Raises:
            RuntimeError: if the learner is closed, one of the two modules ran more often, or both
                ran more than once since the last step.
            ValueError: if shapes do not fit; traces and records are then as before.
        """
        records = self._activity()
        if not records:
            return None
        if len(records) > 1:
            raise RuntimeError(
                f"{self._whoami()} needs one step(reward) for each time step, but {len(records)} "
                "have passed since the last"
            )
        pre, post = records[0]
        rule = {name: getattr(self, name) for name in ("tau_pre", "tau_post", "f_pre", "f_post")}
        weight, earlier = self.synapse.weight.detach(), self._traces(pre, post)
        eligibility, traces = self._linear_step(pre, post, earlier, weight, **rule)
        r = torch.as_tensor(reward, dtype=eligibility.dtype, device=eligibility.device).detach()
        self._check_reward(r, pre)
        before = torch.zeros_like(eligibility) if self.eligibility is None else self.eligibility
        if before.shape != eligibility.shape or before.device != eligibility.device:
            raise ValueError(
                f"{self._whoami()}: the eligibility of the step before has shape "
                f"{tuple(before.shape)} on {before.device}, this one {tuple(eligibility.shape)} on "
                f"{eligibility.device}: reset before the batch size or the device changes"
            )
        delta = self._rewarded(r, before)
        self.trace_pre, self.trace_post = traces
        self.eligibility = eligibility
        self._forget_records()
        return self._deliver(delta, on_grad, scale)

    @abstractmethod
    def _check_reward(self, reward: Tensor, pre: Tensor) -> None:
        """Raise ValueError for a reward of the wrong shape."""

    @abstractmethod
    def _rewarded(self, reward: Tensor, eligibility: Tensor) -> Tensor:
        """Return the change, ``[O, I]``."""


class MSTDPLearner(_RewardLearner):
    """STDP modulated by a reward.

    ::

        dw[t] = sum_B r[t] e[t-1]      with the eligibility e of `mstdp_linear_step`

    R. V. Florian: Reinforcement learning through modulation of spike-timing-dependent synaptic
    plasticity, Neural Computation 19 (2007).

    Args:
        step_mode: ``'s'``; input and output are ``[B, I]`` and ``[B, O]``.
        synapse: a linear layer.
        sn: the module whose outputs are the post-synaptic spikes.
        tau_pre: time constant of ``tr_pre`` in time steps, positive.
        tau_post: time constant of ``tr_post`` in time steps, positive.
        f_pre: how much the weight weakens, as a function of itself.
        f_post: how much it grows.

    The reward of `step` is a number, or ``[B]``, one for each sample.

    Raises:
        ValueError: for a wrong step mode or time constant.
        NotImplementedError: for another kind of synapse.
    """

    _linear_step = staticmethod(mstdp_linear_step)

    def _check_reward(self, reward: Tensor, pre: Tensor) -> None:
        if reward.ndim and tuple(reward.shape) != (len(pre),):
            raise ValueError(
                f"{self._whoami()}: the reward is a number or has shape ({len(pre)},), one for "
                f"each sample, but got shape {tuple(reward.shape)}"
            )

    def _rewarded(self, reward: Tensor, eligibility: Tensor) -> Tensor:
        return (reward.reshape(-1, 1, 1) * eligibility).sum(0)


class MSTDPETLearner(_RewardLearner):
    """STDP modulated by a reward that may come late: eligibilities leave a trace.

    The change at each step is that of `mstdpet_reward_step` for the reward ``r[t]`` and the
    eligibility ``e[t-1]`` of the step before.

    R. V. Florian: Reinforcement learning through modulation of spike-timing-dependent synaptic
    plasticity, Neural Computation 19 (2007).

    Args:
        step_mode: ``'s'``; input and output are ``[I]`` and ``[O]``, without a batch axis.
        synapse: a linear layer.
        sn: the module whose outputs are the post-synaptic spikes.
        tau_pre: time constant of ``tr_pre`` in time steps, positive.
        tau_post: time constant of ``tr_post`` in time steps, positive.
        tau_trace: time constant of ``tr_e`` in time steps, positive.
        f_pre: how much the weight weakens, as a function of itself.
        f_post: how much it grows.

    The reward of `step` is a number.

    Raises:
        ValueError: for a wrong step mode or time constant.
        NotImplementedError: for another kind of synapse.
    """

    _state = (*_RewardLearner._state, "trace_e")
    _linear_step = staticmethod(mstdpet_linear_step)

    trace_e: Tensor | None

    def __init__(
        self,
        step_mode: str,
        synapse: nn.Linear,
        sn: nn.Module,
        tau_pre: float,
        tau_post: float,
        tau_trace: float,
        f_pre: Modulation = identity,
        f_post: Modulation = identity,
    ) -> None:
        check_taus(0, tau_trace=tau_trace)
        super().__init__(step_mode, synapse, sn, tau_pre, tau_post, f_pre, f_post)
        self.tau_trace = tau_trace

    def _check_reward(self, reward: Tensor, pre: Tensor) -> None:  # noqa: ARG002
        if reward.ndim:
            raise ValueError(
                f"{self._whoami()}: the reward must be a number, but got shape "
                f"{tuple(reward.shape)}"
            )

    def _rewarded(self, reward: Tensor, eligibility: Tensor) -> Tensor:
        trace = torch.zeros_like(eligibility) if self.trace_e is None else self.trace_e
        delta, self.trace_e = mstdpet_reward_step(
            reward, eligibility, trace, tau_trace=self.tau_trace
        )
        return delta
