"""Reward-modulated STDP: by hand, and what it refuses."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, neuron
from bitspike.learning import MSTDPETLearner, MSTDPLearner

D = math.exp(-1 / 2)


def make(kind: type[Any], **more: Any) -> tuple[nn.Linear, nn.Module, Any]:
    """One synapse of weight 3 onto a neuron that fires whenever it gets a spike."""
    synapse, sn = nn.Linear(1, 1, bias=False), neuron.IFNode(v_threshold=2.0, v_reset=0.0)
    nn.init.constant_(synapse.weight, 3.0)
    return synapse, sn, kind("s", synapse, sn, 2, 2, f_post=torch.ones_like, **more)


def test_mstdp_by_hand() -> None:
    """Pre and post fire in both steps: tr = 1, 1 + D on both sides, e = (1 - 3) tr."""
    synapse, sn, learner = make(MSTDPLearner)
    changes = []
    for reward in (5.0, 7.0, 11.0):
        sn(synapse(torch.ones(1, 1)))
        changes.append(learner.step(reward, on_grad=False).item())
    assert changes == pytest.approx([0.0, 7 * -2.0, 11 * -2 * (1 + D)])


def test_mstdpet_by_hand() -> None:
    synapse, sn, learner = make(MSTDPETLearner, tau_trace=4)
    changes = []
    for reward in (5.0, 7.0, 11.0):
        sn(synapse(torch.ones(1)))
        changes.append(learner.step(reward, on_grad=False).item())
    first = -2 / 4
    second = first * math.exp(-1 / 4) - 2 * (1 + D) / 4
    assert changes == pytest.approx([0.0, 7 * first, 11 * second])


def test_each_sample_has_its_reward() -> None:
    """Two samples in one batch change the weight by the sum of what each changes alone."""
    together: list[Tensor] = []
    alone: list[Tensor] = []
    for batch in ([0], [1], [0, 1]):
        synapse, sn, learner = make(MSTDPLearner)
        rewards, x = torch.tensor([2.0, -3.0]), torch.tensor([[[1.0], [0.0]], [[1.0], [1.0]]])
        total = torch.zeros(1, 1)
        for inputs in x:
            sn(synapse(inputs[batch]))
            total += learner.step(rewards[batch], on_grad=False)
        (together if len(batch) == 2 else alone).append(total)
    torch.testing.assert_close(together[0], alone[0] + alone[1])
    assert together[0] != 0


@pytest.mark.parametrize("kind", [MSTDPLearner, MSTDPETLearner])
@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"step_mode": "m"}, ValueError, "'s'"),
        ({"tau_pre": 0.0}, ValueError, "tau_pre .*> 0"),
        ({"synapse": nn.Conv1d(1, 1, 1)}, NotImplementedError, "Conv1d"),
    ],
)
def test_bad_arguments(
    kind: type[Any], arguments: dict[str, Any], error: type[Exception], match: str
) -> None:
    good: dict[str, Any] = {
        "step_mode": "s", "synapse": nn.Linear(2, 1), "sn": neuron.IFNode(),
        "tau_pre": 2.0, "tau_post": 2.0,
    }  # fmt: skip
    if kind is MSTDPETLearner:
        good["tau_trace"] = 2.0
    with pytest.raises(error, match=match):
        kind(**{**good, **arguments})


def test_bad_rewards_and_forgotten_steps() -> None:
    synapse, sn, learner = make(MSTDPLearner)
    sn(synapse(torch.ones(2, 1)))
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        learner.step(torch.ones(3))
    learner.step(1.0)
    functional.reset_net(sn)
    sn(synapse(torch.ones(3, 1)))
    with pytest.raises(ValueError, match="reset"):
        learner.step(1.0)
    learner.reset()
    functional.reset_net(sn)
    for _ in range(2):
        sn(synapse(torch.ones(3, 1)))
    with pytest.raises(RuntimeError, match="2 have passed"):
        learner.step(1.0)
    synapse, sn, late = make(MSTDPETLearner, tau_trace=2.0)
    sn(synapse(torch.ones(1)))
    with pytest.raises(ValueError, match="must be a number"):
        late.step(torch.ones(1))
