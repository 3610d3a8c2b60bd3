"""STDP: by hand, over whole sequences, on bits, and what it refuses."""

from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bitspike import encoding, functional, layer, neuron, spikes
from bitspike.learning import STDPLearner, _stdp

if TYPE_CHECKING:
    from collections.abc import Iterator


class Spikes(nn.Module):
    """Gives out what it is told to, whatever comes in."""

    def __init__(self, given: Tensor) -> None:
        super().__init__()
        self.steps: Iterator[Tensor] = iter(given)

    def forward(self, x: Tensor) -> Tensor:  # noqa: ARG002
        return next(self.steps)


def feed(synapse: nn.Module, sn: nn.Module, pre: Tensor) -> None:
    with torch.no_grad():
        for x in pre:
            sn(synapse(x))


def test_by_hand() -> None:
    """One synapse, w = 3, tau = 2. Pre fires at 0 and 2, post at 1 and 2.

    tr_pre 1, 1/2, 5/4; tr_post 0, 1, 3/2. Growth: post sees tr_pre 1/2 + 5/4. Loss: pre sees
    tr_post 0 + 3/2. With f_post = 4 and f_pre = w: 4 * 7/4 - 3 * 3/2.
    """
    synapse = nn.Linear(1, 1, bias=False)
    nn.init.constant_(synapse.weight, 3.0)
    sn = Spikes(torch.tensor([0.0, 1.0, 1.0]).view(3, 1, 1))
    learner = STDPLearner("s", synapse, sn, 2, 2, f_post=lambda w: torch.full_like(w, 4.0))
    feed(synapse, sn, torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1))
    delta = learner.step(on_grad=False)
    assert delta is not None
    assert delta.item() == 4 * 7 / 4 - 3 * 3 / 2
    assert isinstance(learner.trace_pre, Tensor)
    assert isinstance(learner.trace_post, Tensor)
    assert (learner.trace_pre.item(), learner.trace_post.item()) == (1.25, 1.5)


def test_sgd_adds_the_change() -> None:
    synapse = nn.Linear(1, 1, bias=False)
    nn.init.constant_(synapse.weight, 0.5)
    sn = Spikes(torch.ones(1, 1, 1))
    learner = STDPLearner("s", synapse, sn, 2, 2, torch.zeros_like, torch.ones_like)
    feed(synapse, sn, torch.ones(1, 1, 1))
    assert learner.step(scale=0.25) is None
    torch.optim.SGD(synapse.parameters(), lr=1.0).step()
    assert synapse.weight.item() == 0.75


def build(step_mode: str, conv: bool) -> tuple[Any, nn.Module]:
    synapse = (
        layer.Conv2d(2, 3, 3, padding=1, stride=2, step_mode=step_mode)
        if conv
        else layer.Linear(70, 3, step_mode=step_mode)
    )
    return synapse.double(), neuron.LIFNode(v_threshold=0.25, step_mode=step_mode)


@settings(max_examples=20)
@given(
    T=st.integers(1, 7),
    cut=st.integers(0, 7),
    conv=st.booleans(),
    tau_pre=st.floats(1.0, 30.0),
    tau_post=st.floats(1.0, 30.0),
    seed=st.integers(0, 1000),
)
def test_sequence_is_the_sum_of_its_steps(
    T: int, cut: int, conv: bool, tau_pre: float, tau_post: float, seed: int
) -> None:
    """One call on ``[T, B, ...]``, two on its parts, and single steps: the same change."""
    torch.manual_seed(seed)
    shape = (2, 5, 4) if conv else (70,)
    x_seq = (torch.rand(T, 2, *shape) < 0.5).double()
    synapse, sn = build("m", conv)
    with torch.no_grad():
        y_seq = sn(synapse(x_seq))
    single, replay = build("s", conv)[0], Spikes(y_seq)
    single.load_state_dict(synapse.state_dict())
    rule: Any = (tau_pre, tau_post, torch.cos, torch.exp)
    steps, whole, parts = (
        STDPLearner("s", single, replay, *rule),
        STDPLearner("m", synapse, sn, *rule),
        STDPLearner("m", synapse, sn, *rule),
    )
    feed(single, replay, x_seq)
    for learner, pieces in ((whole, [T]), (parts, [min(cut, T), T - min(cut, T)])):
        learner.in_spike_monitor.records.extend(torch.split(x_seq, pieces))
        learner.out_spike_monitor.records.extend(torch.split(y_seq, pieces))
    changes = [learner.step(on_grad=False) for learner in (steps, whole, parts)]
    for change in changes[1:]:
        torch.testing.assert_close(change, changes[0])
    for learner in (whole, parts):
        torch.testing.assert_close(learner.trace_pre, steps.trace_pre)
        torch.testing.assert_close(learner.trace_post, steps.trace_post)


def test_long_sequences_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unpacked at a time is bounded, and the result is the same."""
    results, lengths = [], []
    x_seq = (torch.rand(20, 2, 70) < 0.3).double()
    synapse, sn = build("m", False)
    sequence = STDPLearner._sequence

    def spy(self: STDPLearner, pre: Tensor, *rest: Any) -> Any:
        lengths.append(len(pre))
        return sequence(self, pre, *rest)

    monkeypatch.setattr(STDPLearner, "_sequence", spy)
    for largest in (2**24, 7 * (2 * 2 * 3 + 2 * 70)):
        monkeypatch.setattr(_stdp, "_LARGEST", largest)
        learner = STDPLearner("m", synapse, sn, 3.0, 5.0)
        with torch.no_grad():
            sn(synapse(x_seq))
        functional.reset_net(sn)
        results.append(learner.step(on_grad=False))
    assert lengths == [20, 7, 7, 6]
    torch.testing.assert_close(*results)


@pytest.mark.backend("numba")
@pytest.mark.parametrize("rate", [0.05, 0.9])
@pytest.mark.parametrize("source", ["pack", "encoder"])
def test_bits_stay_bits_and_change_nothing(source: str, rate: float) -> None:
    """Records of spikes are bits, are added up as such, and give what dense spikes give."""
    images = rate * torch.ones(5, 70)
    x_seq = (
        encoding.PoissonEncoder(step_mode="m")(images.expand(9, *images.shape))
        if source == "encoder"
        else spikes.pack((torch.rand(9, 5, 70) < rate).float())
    )
    assert isinstance(x_seq, spikes.SpikeTensor)
    synapse = layer.Linear(70, 3, step_mode="m")
    nn.init.uniform_(synapse.weight)
    sn = neuron.LIFNode(step_mode="m")
    learner = STDPLearner("m", synapse, sn, 3.0, 5.0, torch.cos, torch.exp)
    changes = []
    for x in (x_seq, x_seq.dense()):
        with torch.no_grad():
            y = sn(synapse(x))
        functional.reset_net(sn)
        assert y.any()
        (recorded,) = learner.in_spike_monitor.records
        if x is x_seq:
            assert isinstance(recorded, spikes.SpikeTensor)
            assert isinstance(learner.out_spike_monitor.records[0], spikes.SpikeTensor)
        changes.append((learner.step(on_grad=False), learner.trace_pre, learner.trace_post))
        learner.reset()
    for one, other in zip(*changes, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)


def test_disable_enable_reset_close() -> None:
    synapse, sn = nn.Linear(2, 1), neuron.IFNode()
    learner = STDPLearner("s", synapse, sn, 2.0, 2.0)
    assert learner.step(on_grad=False) is None
    learner.disable()
    feed(synapse, sn, torch.ones(1, 1, 2))
    assert learner.step(on_grad=False) is None
    learner.enable()
    feed(synapse, sn, torch.ones(1, 1, 2))
    assert learner.step(on_grad=False) is not None
    assert learner.trace_pre is not None
    feed(synapse, sn, torch.ones(1, 1, 2))
    functional.reset_net(learner)
    assert learner.trace_pre is None
    assert learner.step() is None
    assert synapse.weight.grad is None
    learner.close()
    learner.close()
    for call in (learner.enable, learner.step):
        with pytest.raises(RuntimeError, match="closed"):
            call()
    assert not synapse._forward_pre_hooks
    assert not sn._forward_hooks


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"step_mode": "x"}, ValueError, "step_mode"),
        ({"tau_pre": 0.5}, ValueError, "tau_pre .*>= 1"),
        ({"tau_post": float("nan")}, ValueError, "tau_post"),
        ({"synapse": nn.Conv3d(1, 1, 1)}, NotImplementedError, "Conv3d"),
        ({"synapse": nn.Conv1d(2, 2, 1, groups=2)}, NotImplementedError, "groups=2"),
        ({"synapse": nn.Conv2d(2, 2, 1, dilation=2)}, NotImplementedError, "dilation"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], match: str) -> None:
    good: dict[str, Any] = {
        "step_mode": "s", "synapse": nn.Linear(2, 1), "sn": neuron.IFNode(),
        "tau_pre": 2.0, "tau_post": 2.0,
    }  # fmt: skip
    with pytest.raises(error, match=match):
        STDPLearner(**{**good, **arguments})


def test_a_module_that_ran_alone() -> None:
    synapse, sn = nn.Linear(2, 1), neuron.IFNode()
    learner = STDPLearner("s", synapse, sn, 2.0, 2.0)
    synapse(torch.ones(1, 2))
    with pytest.raises(RuntimeError, match="1 inputs of the synapse but 0 outputs"):
        learner.step()


def test_another_batch_size_without_reset() -> None:
    synapse, sn = nn.Linear(2, 1), neuron.IFNode()
    learner = STDPLearner("s", synapse, sn, 2.0, 2.0)
    feed(synapse, sn, torch.ones(1, 3, 2))
    learner.step(on_grad=False)
    trace = learner.trace_pre
    functional.reset_net(sn)
    feed(synapse, sn, torch.ones(1, 4, 2))
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(4, 2\).*reset"):
        learner.step(on_grad=False)
    assert learner.trace_pre is trace
    functional.reset_net(sn)
    feed(synapse, sn, torch.ones(1, 5, 2))
    with pytest.raises(ValueError, match="different shapes"):
        learner.step()


def test_output_of_another_size() -> None:
    synapse = nn.Conv2d(1, 1, 3)
    sn = Spikes(torch.ones(1, 2, 1, 5, 5))
    learner = STDPLearner("s", synapse, sn, 2.0, 2.0)
    feed(synapse, sn, torch.ones(1, 2, 1, 5, 5))
    with pytest.raises(ValueError, match=r"makes \(3, 3\).*are \(5, 5\)"):
        learner.step()


@pytest.mark.parametrize("stride", [(0,), (1, 1), 2.0])
def test_functional_refuses_a_stride(stride: Any) -> None:
    pre, post = torch.ones(1, 1, 4), torch.ones(1, 1, 2)
    with pytest.raises(ValueError, match="stride must be 1 positive"):
        functional.stdp_conv1d_step(
            pre, post, (pre, post), torch.ones(1, 1, 3), stride=stride, tau_pre=2.0, tau_post=2.0
        )


@pytest.mark.parametrize(
    ("pre", "post", "weight", "match"),
    [
        ((2, 3), (2,), (1, 3), "must be"),
        ((2, 3), (2, 1), (1, 4), "do not fit the weight"),
        ((2, 3), (3, 1), (1, 3), "batch size"),
        ((2, 3), (2, 1), (1, 3, 1), "the weight must be"),
    ],
)
def test_functional_refuses_shapes(
    pre: tuple[int, ...], post: tuple[int, ...], weight: tuple[int, ...], match: str
) -> None:
    a, b = torch.ones(pre), torch.ones(post)
    with pytest.raises(ValueError, match=match):
        functional.stdp_linear_step(a, b, (a, b), torch.ones(weight), tau_pre=2.0, tau_post=2.0)
