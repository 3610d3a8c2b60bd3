"""`multi_step_forward` and `seq_to_ann_forward`."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, neuron, spikes

FUNCTIONS = (functional.multi_step_forward, functional.seq_to_ann_forward)


class Recorder:
    """Doubles its input and remembers its shape."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.shapes.append(tuple(x.shape))
        return 2 * x


def test_multi_step_forward_is_a_call_a_step() -> None:
    x_seq, recorder = torch.randn(4, 3, 2), Recorder()
    assert torch.equal(functional.multi_step_forward(x_seq, recorder), 2 * x_seq)
    assert recorder.shapes == [(3, 2)] * 4


def test_seq_to_ann_forward_is_one_call() -> None:
    x_seq, recorder = torch.randn(4, 3, 2), Recorder()
    assert torch.equal(functional.seq_to_ann_forward(x_seq, recorder), 2 * x_seq)
    assert recorder.shapes == [(12, 2)]


def test_multi_step_forward_keeps_state() -> None:
    out = functional.multi_step_forward(torch.full((4, 1), 0.5), neuron.IFNode())
    assert out.flatten().tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kind", [list, tuple])
def test_modules_are_chained(function: Callable[..., Tensor], kind: type) -> None:
    chain = kind([nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3)])
    x_seq = torch.randn(4, 6, 2)
    expected = chain[2](chain[1](chain[0](x_seq)))
    torch.testing.assert_close(function(x_seq, chain), expected)
    sequential = nn.Sequential(*chain)
    torch.testing.assert_close(function(x_seq, sequential), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_output_may_have_other_dimensions(function: Callable[..., Tensor]) -> None:
    assert function(torch.zeros(4, 6, 2), lambda x: x.sum(1)).shape == (4, 6)
    assert function(torch.zeros(4, 6, 2), lambda x: x[..., None, None]).shape == (4, 6, 2, 1, 1)


def test_a_pair_of_outputs_is_separated() -> None:
    x_seq = torch.randn(4, 6, 2)

    def pair(x: Tensor) -> Any:
        return x + 1, x > 0

    above, positive = functional.seq_to_ann_forward(x_seq, pair)
    assert torch.equal(above, x_seq + 1)
    assert torch.equal(positive, x_seq > 0)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (functional.multi_step_forward, ()),
        (functional.multi_step_forward, (0, 3)),
        (functional.seq_to_ann_forward, (3,)),
        (functional.seq_to_ann_forward, (0, 3)),
    ],
)
def test_what_is_no_sequence_is_refused(
    function: Callable[..., Tensor], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=rf"{function.__name__}: .* T >= 1, but got shape \("):
        function(torch.zeros(shape), nn.Identity())


def test_chunks_are_the_whole() -> None:
    node, x_seq = neuron.LIFNode(step_mode="m"), torch.randn(7, 3) * 2
    whole = node(x_seq)
    for size in (1, 3, 7, 20):
        node.reset()
        assert torch.equal(functional.chunk_multi_step_forward(size, x_seq, node), whole)
    assert whole.any()
    bits = spikes.pack((torch.rand(7, 2, 9) < 0.5).float())
    with spikes.trace_unpacking() as unpacked:
        kept = functional.chunk_multi_step_forward(3, bits, lambda x: x)
    assert torch.equal(kept, bits)
    assert list(unpacked) == []
    with pytest.raises(ValueError, match="split_size is a number of time steps"):
        functional.chunk_multi_step_forward(0, x_seq, node)


def test_time_last() -> None:
    x_seq = torch.randn(7, 3, 4)
    last = x_seq.movedim(0, -1)
    linear, nodes = nn.Linear(4, 4), (neuron.IFNode(), neuron.IFNode())
    expected = functional.seq_to_ann_forward(x_seq, [linear, nn.ReLU()]).movedim(0, -1)
    assert torch.equal(functional.t_last_seq_to_ann_forward(last, [linear, nn.ReLU()]), expected)
    stepped = functional.multi_step_forward(x_seq * 3, nodes[0]).movedim(0, -1)
    assert torch.equal(functional.t_last_multi_step_forward(last * 3, nodes[1]), stepped)
    assert stepped.any()


def test_several_inputs_and_outputs() -> None:
    x, y = torch.randn(5, 2, 3), torch.randn(5, 2, 4)
    bilinear = nn.Bilinear(3, 4, 6)
    z = functional.seq_to_ann_forward((x, y), [bilinear, nn.ReLU()])
    torch.testing.assert_close(z, bilinear(x, y).relu())
    pooled = functional.t_last_seq_to_ann_forward(
        torch.randn(2, 3, 8, 5), nn.MaxPool1d(2, return_indices=True)
    )
    assert [tuple(one.shape) for one in pooled] == [(2, 3, 4, 5)] * 2
    with pytest.raises(ValueError, match=r"same T and B, but got shapes \(5, 2, 3\), \(2, 5, 4\)"):
        functional.seq_to_ann_forward((x, y.transpose(0, 1)), bilinear)
