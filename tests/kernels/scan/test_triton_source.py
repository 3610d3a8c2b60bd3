"""The kernels compiled for a GPU that need not be there: down to machine code, but not run."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.kernels.scan.test_numba import NODES, SOFT_ONLY, make
from tests.kernels.scan.test_triton import everything
from torch import Tensor

from bitspike import neuron, surrogate
from bitspike.kernels.scan.record import KernelStore, record
from bitspike.kernels.scan.record.plan import Plan
from bitspike.kernels.scan.record.program import Program
from bitspike.kernels.scan.record.trace import trace

triton = pytest.importorskip("triton")
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from bitspike.kernels.runtime import triton_kernel  # noqa: E402
from bitspike.kernels.scan import triton as scan  # noqa: E402
from bitspike.kernels.scan import triton_source  # noqa: E402

WRITERS = (triton_source.forward_source, triton_source.backward_source)
TARGETS = {"ptx": GPUTarget("cuda", 90, 32), "amdgcn": GPUTarget("hip", "gfx942", 64)}
POINTERS = {"float32": "*fp32", "float64": "*fp64"}
FUNCTIONS = {
    "EIFNode",
    "LIAFNode",
    "ComplementaryLIFNode",
}  # those whose steps have exp, tanh, sigmoid


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


def of_neuron(name: str) -> Program:
    """What a neuron of the tables computes."""
    node = make(name, "soft", surrogate.ATan())
    return trace(node.step, len(node.state_names))


def assembly(
    writer: Any,
    program: Program,
    precision: str = "float32",
    language: str = "ptx",
    **options: Any,
) -> str:
    """What a kernel is compiled to."""
    learned = tuple(k for k, value in enumerate(program.numbers) if isinstance(value, Tensor))
    text = writer(Plan.of(program, learned), precision, learned)
    function = triton_kernel.function_of(text)
    constants = {"SAVING": True, "RECORDING": True, "BLOCK": 128}
    whole = dict.fromkeys(("T", "M", "x_t", "g_t"), "i32") | dict.fromkeys(constants, "constexpr")
    signature = {one: whole.get(one, POINTERS[precision]) for one in function.arg_names}
    target = TARGETS[language]
    made = triton.compile(
        ASTSource(function, signature, {k: v for k, v in constants.items() if k in signature}),
        target=target,
        options=triton_kernel.options(target) | options,
    )
    assert made.asm["cubin" if language == "ptx" else "hsaco"], "machine code"
    found: str = made.asm[language]
    return found


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", [*NODES, *SOFT_ONLY])
def test_every_neuron_is_valid_for_cuda(name: str, writer: Any) -> None:
    ptx = assembly(writer, of_neuron(name))
    assert "div.full" not in ptx, "divisions are rounded as IEEE 754 says"
    if name not in FUNCTIONS:
        assert "fma" not in ptx, "nothing is fused"
        assert ".approx" not in ptx
        assert ".ftz" not in ptx


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", ["ParametricLIFNode", "ComplementaryLIFNode"])
def test_float64(name: str, writer: Any) -> None:
    ptx = assembly(writer, of_neuron(name), "float64")
    assert "f64" in ptx
    assert name == "ComplementaryLIFNode" or "fma" not in ptx


def test_fused_arithmetic_would_be_seen() -> None:
    writer, program = triton_source.forward_source, of_neuron("ParametricLIFNode")
    assert "fma" in assembly(writer, program, enable_fp_fusion=True)


@pytest.mark.parametrize("precision", POINTERS)
@pytest.mark.parametrize("writer", WRITERS)
def test_every_operation_is_valid_for_cuda(writer: Any, precision: str) -> None:
    operations = {node[0] for node in trace(everything, 1).nodes}
    assert operations | {"fire", "field"} >= set(triton_source._TEXT)
    ptx = assembly(writer, trace(everything, 1), precision)
    assert "div.full" not in ptx
    assert "sqrt.approx" not in ptx


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", ["ParametricLIFNode", "EIFNode"])
def test_it_is_valid_for_amd(name: str, writer: Any) -> None:
    assert "amdgcn" in assembly(writer, of_neuron(name), language="amdgcn")


def test_tracebacks_show_the_source() -> None:
    text = "def add(a, b):\n    return a + b\n\n\ndef forward(x, T):\n    pass\n"
    made = triton_kernel.function_of(text).fn
    assert made.__name__ == "forward"
    assert inspect.getsource(made) == "def forward(x, T):\n    pass\n"
    assert inspect.getsource(made.__globals__["add"].fn) == "def add(a, b):\n    return a + b\n"


def test_the_interpreter_s_functions_are_torch_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    text = (
        "def forward(x, out, T):\n"
        "    at = tl.arange(0, 8)\n"
        "    tl.store(out + at, libdevice.pow(libdevice.erf(tl.load(x + at)), tl.load(x + at)))\n"
    )
    x, out = torch.rand(8), torch.empty(8)
    triton_kernel.function_of(text)[(1,)](x, out, 1)
    assert torch.equal(out, torch.erf(x) ** x)


class _Driver:
    """A GPU for which Triton compiles what nobody runs."""

    def get_current_target(self) -> GPUTarget:
        return TARGETS["ptx"]

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return device


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What calls of kernels compile, each of them up to the launch."""
    compiled: list[Any] = []

    def launch(self: Any, M: int, block: int, *args: Any, **constants: Any) -> None:
        how = triton_kernel.options.__wrapped__()
        made = self.function.warmup(*args, **constants, **how, BLOCK=block, grid=(-(-M // block),))
        compiled.append((self.function.fn.__name__, made.hash))

    monkeypatch.setattr(triton.runtime.driver, "_active", _Driver())
    monkeypatch.setattr(triton_kernel.Kernel, "__call__", launch)
    monkeypatch.setattr(scan, "store", KernelStore(scan.make_kernel, scan.numbers_array))
    return compiled


def train(node: neuron.BaseNode, T: int, M: int) -> None:
    x = torch.rand(T, M, requires_grad=True)
    recorded = record(node.step, 1, x.shape[1:], x)
    assert not isinstance(recorded, str)
    y, (v,), _ = scan.scan(recorded, x, [torch.zeros(M)], False)
    (y * y).sum().add(v.sum()).backward()  # type: ignore[no-untyped-call]


def test_steps_and_neurons_need_no_compilation(launched: list[Any]) -> None:
    for T, M in ((4, 50), (1, 50), (16, 50), (7, 34)):
        train(neuron.ParametricLIFNode(), T, M)
    assert {name for name, _ in launched} == {"forward", "backward"}
    assert len(launched) == 8
    assert len(set(launched)) == 2


def test_one_neuron(launched: list[Any]) -> None:
    train(neuron.ParametricLIFNode(), 3, 1)  # Triton makes a constant of every 1
    assert len(launched) == 2


def test_more_neurons_than_32_bits_count(launched: list[Any]) -> None:
    node = neuron.LIFNode()
    x = torch.zeros(1, 1).expand(3, 1 << 32)
    recorded = record(node.step, 1, (1,), x)
    assert not isinstance(recorded, str)
    form = (torch.float32, x.device, False, ())
    kernels, numbers = recorded.kernels(scan.store, (), form)
    one = torch.zeros(1)
    kernels.kernel(triton_source.forward_source)(
        1 << 32, 512, one, 1 << 32, one, one, 3, 1 << 32, numbers, one, one, one,
        SAVING=True, RECORDING=True,
    )  # fmt: skip
    assert len(launched) == 1
