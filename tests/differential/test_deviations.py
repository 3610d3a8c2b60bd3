"""What docs/compatibility.md says of SpikingJelly and of us where the two differ."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import base, encoding, functional, layer, neuron, surrogate

T = 4


def test_liaf_in_multi_step_mode(peer: Any) -> None:
    ours, theirs = (
        m.LIAFNode(torch.relu, False, step_mode="m", tau=2.0) for m in (neuron, peer.neuron)
    )
    x = torch.full((1, 1), 4.0)
    assert ours(x).item() == 2.0
    assert theirs(x).item() == 1.0


def test_a_probability_of_0(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.zeros(*size))
    monkeypatch.setattr(torch, "rand_like", lambda x, **_: torch.zeros_like(x))
    x = torch.zeros(2, 3)
    assert encoding.PoissonEncoder()(x).sum() == 0
    assert peer.encoding.PoissonEncoder()(x).sum() == 6


def test_integers(peer: Any) -> None:
    neuron.LIFNode(tau=2, v_threshold=1)
    with pytest.raises(AssertionError):
        peer.neuron.LIFNode(tau=2)


def test_a_train_given_to_the_constructor(peer: Any) -> None:
    train = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert torch.equal(encoding.PeriodicEncoder(train)(), train[0])
    with pytest.raises(TypeError):
        peer.encoding.PeriodicEncoder(train)()


def test_dtypes(peer: Any) -> None:
    x = torch.rand(3, dtype=torch.float64) / 2
    for module, dtype in ((encoding, torch.float64), (peer.encoding, torch.float32)):
        assert module.WeightedPhaseEncoder(4)(x).dtype == dtype
    for module, dtype in ((neuron, torch.float64), (peer.neuron, torch.float32)):
        for kind in ("DSRIFNode", "DSRLIFNode"):
            assert getattr(module, kind)(T=2)(x.view(1, 3).repeat(2, 1)).dtype == dtype


def test_padding_of_standardised_weights(peer: Any) -> None:
    x = torch.randn(1, 2, 5, 5)
    for module, follows in ((layer, True), (peer.layer, False)):
        zeros, mirrored = (
            module.WSConv2d(2, 3, 3, padding=1, padding_mode=mode) for mode in ("zeros", "reflect")
        )
        mirrored.load_state_dict(zeros.state_dict())
        assert torch.equal(zeros(x), mirrored(x)) is not follows


def test_drop_connect_without_drops(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # torch's default, which Dynamo turns off for the whole process when it compiles something.
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", True)
    layer.DropConnectLinear(3, 2, p=0.0).eval()(torch.randn(2, 3))
    with pytest.raises(ValueError, match="scale"):
        peer.layer.DropConnectLinear(3, 2, p=0.0).eval()(torch.randn(2, 3))


def test_queues(peer: Any) -> None:
    kinds = {}
    for module in (neuron, peer.neuron):
        node = module.SlidingPSN(k=2)
        node(torch.zeros(2, 3))
        kinds[module] = isinstance(node.queue, Tensor)
    assert list(kinds.values()) == [True, False]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ILCIFNode", (2, 2)),
        ("NoisyCUBALIFNode", (4, 0.5, 0.75, False)),
        ("SimpleLIFNode", (2.0, True)),
    ],
)
def test_soft_reset(peer: Any, name: str, arguments: tuple[Any, ...]) -> None:
    x = torch.ones(5, 2, 4) * 2
    ours, theirs = (getattr(m, name)(*arguments, v_reset=None) for m in (neuron, peer.neuron))
    for node in (ours, theirs):
        node.step_mode = "m"
    assert ours(x).shape == x.shape
    with pytest.raises((TypeError, RuntimeError, AttributeError)):
        theirs(x)


def test_the_input_of_intra_layer_neurons(peer: Any) -> None:
    for module, unchanged in ((neuron, True), (peer.neuron, False)):
        x = torch.rand(T, 2, 4) + 1.0
        before = x.clone()
        with torch.no_grad():
            module.ILCIFNode(2, 2)(x)
        assert torch.equal(x, before) is unchanged


def test_unknown_ways_to_decode(peer: Any) -> None:
    with pytest.raises(ValueError, match="decode"):
        neuron.NonSpikingIFNode(decode="best")
    peer.neuron.NonSpikingIFNode(decode="best")


def test_values_outside_of_time(peer: Any) -> None:
    long = torch.tensor([0.0, 0.5, 1.0])
    assert encoding.LatencyEncoder(100, "log")(long).shape == (3,)
    with pytest.raises(RuntimeError):
        peer.encoding.LatencyEncoder(100, "log")(long)
    with pytest.raises(ValueError, match="0"):
        encoding.LatencyEncoder(4)(torch.tensor([1.01]))
    peer.encoding.LatencyEncoder(4)(torch.tensor([1.01]))


def test_norms_and_their_steps(peer: Any) -> None:
    x = torch.randn(1, 2, 3)
    theirs = peer.layer.TemporalEffectiveBatchNorm1d(T, 3)
    assert len(theirs(x)) == T
    with pytest.raises(ValueError, match=str(T)):
        layer.TemporalEffectiveBatchNorm1d(T, 3)(x)
    theirs = peer.layer.BatchNormThroughTime1d(1, 3)
    theirs(x[0])
    with pytest.raises(IndexError):
        theirs(x[0])
    ours = layer.BatchNormThroughTime1d(1, 3)
    ours(x[0])
    with pytest.raises((RuntimeError, OverflowError), match="reset_net"):
        ours(x[0])


def test_the_mask_of_one(peer: Any) -> None:
    for module, mistakes in ((layer, base.StateError), (peer.layer, None)):
        dropout = module.Dropout(0.5)
        dropout(torch.ones(1, 3))
        if mistakes is None:
            assert dropout(torch.ones(4, 3)).unique(dim=0).shape[0] == 1
        else:
            with pytest.raises(mistakes):
                dropout(torch.ones(4, 3))


def test_stored_potentials_of_single_steps(peer: Any) -> None:
    for module, stored in ((neuron, True), (peer.neuron, False)):
        node = module.ActivationAwareIFNode(store_v_seq=True)
        node(torch.zeros(2, 3))
        assert (node.v_seq is not None) is stored


def test_containers(peer: Any) -> None:
    for module, has in ((layer, True), (peer.layer, False)):
        container = module.MultiStepContainer(nn.Linear(2, 2))
        assert ("m" in str(getattr(container, "step_mode", ""))) is has


def test_primitives(peer: Any) -> None:
    for name in ("SuperSpike", "FakeNumericalGradient"):
        assert getattr(surrogate, name)(spiking=False)(torch.zeros(1)).isfinite().all()
        theirs = getattr(peer.surrogate, name)()
        theirs.set_spiking_mode(False)
        with pytest.raises(NotImplementedError):
            theirs(torch.zeros(1))
    x = torch.linspace(0.01, 2, 65)
    ours, theirs = (m.S2NN(spiking=False)(x) for m in (surrogate, peer.surrogate))
    torch.testing.assert_close(ours, torch.log1p(x) + 0.5)
    assert 1e-6 < (ours - theirs).abs().max() < 2e-5


def test_surrogates_at_their_limits(peer: Any) -> None:
    for module, fine in ((surrogate, True), (peer.surrogate, False)):
        x = torch.tensor([-0.0], requires_grad=True)
        (grad,) = torch.autograd.grad(module.FakeNumericalGradient()(x), x)
        assert bool(grad.isfinite()) is fine
        x = torch.linspace(-2, 2, 65, dtype=torch.float16).requires_grad_()
        y = module.SquarewaveFourierSeries(2, 1e-4)(x)
        (grad,) = torch.autograd.grad(y.sum(), x)
        assert bool(grad.isfinite().all()) is fine
        half = module.PoissonPass()(torch.rand(3, dtype=torch.float16))
        assert (half.dtype == torch.float16) is fine


def test_time_last(peer: Any) -> None:
    x = torch.randn(2, 3, 5, T)  # [B, C, N, T]
    norm = nn.BatchNorm1d(3).train()
    functional.t_last_seq_to_ann_forward(x, norm)
    with pytest.raises((RuntimeError, ValueError)):
        peer.functional.t_last_seq_to_ann_forward(x, nn.BatchNorm1d(3).train())


def test_the_seed_of_coloured_noise(peer: Any) -> None:
    for module, follows in ((neuron, True), (peer.neuron, False)):
        drawn = []
        for _ in range(2):
            torch.manual_seed(0)
            drawn.append(torch.as_tensor(module.powerlaw_psd_gaussian(1.0, (2, 8))))
        assert torch.equal(*drawn) is follows


def test_delayed_inputs_and_the_graph(peer: Any) -> None:
    for library, module, cut in (
        (functional, layer, True),
        (peer.functional, peer.layer, False),
    ):
        delay = module.Delay(2)
        delay(torch.ones(3, requires_grad=True) * 2)
        library.detach_net(delay)
        assert all(not x.requires_grad for x in delay.queue) is cut


def test_gated_neurons_and_long_sequences(peer: Any) -> None:
    x = torch.randn(T + 1, 2, 3, 4, 4)
    assert len(peer.neuron.GatedLIFNode(T=T)(x)) == T
    with pytest.raises(ValueError, match=f"T = {T}"):
        neuron.GatedLIFNode(T=T)(x)
    assert neuron.GatedLIFNode(T=T)(torch.randn(T, 2, 3)).shape == (T, 2, 3)


def test_learned_thresholds_follow_the_module(peer: Any) -> None:
    for module, follows in ((neuron, True), (peer.neuron, False)):
        node = module.MPBNLIFNode(out_features=3, learnable_vth=True).eval()
        node.re_parameterize_v_threshold()
        node.double()
        assert (node.v_threshold.dtype == torch.float64) is follows


def test_another_input_before_the_reset(peer: Any) -> None:
    x, other = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])
    for kind in ("LatencyEncoder", "WeightedPhaseEncoder"):
        ours, theirs = (getattr(m, kind)(T) for m in (encoding, peer.encoding))
        train = [theirs(x / 2) for _ in range(T)]
        assert torch.equal(theirs(other / 2), train[0])
        ours(x / 2)
        with pytest.raises(base.StateError, match="another input"):
            ours(other / 2)


def test_quantised_potentials_in_half_precision(peer: Any) -> None:
    x = 0.4 * torch.randn(32, 4, 50, generator=torch.Generator().manual_seed(1)).bfloat16()
    found = []
    for library in (neuron, peer.neuron):
        node = library.STBIFNode(0.3, level=8, step_mode="m").bfloat16()
        node(x)
        found.append(node.q)
    numbers = [one.float() for one in (node.q_threshold, node.pos_max, node.neg_min)]
    start = torch.full((4, 50), 0.5), torch.zeros(4, 50)
    _, q, *_ = peer.functional.stbif_multi_step(x.float(), *start, *numbers)
    torch.testing.assert_close(found[0], q)
    assert not torch.allclose(found[1], q, atol=1e-3)


DEFAULTS: list[tuple[str, dict[str, Any]]] = [
    ("ActivationAwareIFNode", {}), ("DSRIFNode", {}), ("DSRLIFNode", {}), ("KLIFNode", {}),
    ("ILCIFNode", {"act_dim": 2, "dec_pop_dim": 3}), ("MaskedPSN", {"k": 2, "T": 3}),
    ("MPBNLIFNode", {"out_features": 2, "learnable_vth": True}), ("ParametricLIFNode", {}),
    ("PSN", {"T": 3}), ("SlidingPSN", {"k": 2}),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize(("kind", "arguments"), DEFAULTS)
def test_parameters_have_the_default_dtype(
    peer: Any, kind: str, arguments: dict[str, Any], dtype: torch.dtype
) -> None:
    try:
        torch.set_default_dtype(dtype)
        torch.manual_seed(0)
        ours = getattr(neuron, kind)(**arguments).state_dict()
        torch.manual_seed(0)
        theirs = getattr(peer.neuron, kind)(**arguments).state_dict()
        gated = [m.GatedLIFNode(3).state_dict() for m in (neuron, peer.neuron)]
    finally:
        torch.set_default_dtype(torch.float32)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert {one.dtype for one in ours.values() if one.is_floating_point()} == {dtype}
    assert [{one.dtype for one in state.values()} for state in gated] == [{dtype}, {torch.float32}]
