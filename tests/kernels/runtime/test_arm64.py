"""Kernels compiled for arm64, on any machine: by NEON instructions, and without fused arithmetic.

A fused multiply-add rounds once instead of twice: spikes would no longer be those of x86-64.
"""

import re
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba
import pytest
from numba import float32, int64, uint64

from bitspike.kernels.linear import numba_rows
from bitspike.kernels.norm import numba as norm_kernels
from bitspike.kernels.runtime import numba_simd as simd

ARM64 = "aarch64-unknown-linux-gnu"
# Without what surrounds a kernel: it has been through code generation for this machine.
BARE: dict[str, Any] = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
FUSED = re.compile(r"\tf(?:n?madd|n?msub|mla|mls)\t")


def instructions(function: Callable[..., Any], *types: Any, fastmath: bool = False) -> str:
    """The assembly of ``function`` for arm64."""
    compiled = numba.njit(error_model="numpy", fastmath=fastmath, **BARE)(function)
    compiled.compile(types)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(ARM64)
    except RuntimeError:
        pytest.skip("this llvmlite has no arm64")
    machine = target.create_target_machine(opt=3, reloc="pic", codemodel="default")
    ir = compiled.inspect_llvm(types)
    assert "llvm.x86" not in ir  # LLVM would end the process
    module = llvm.parse_assembly(re.sub(r"target (datalayout|triple) = .*", "", ir))
    module.triple, module.data_layout = ARM64, str(machine.target_data)
    module.verify()
    return str(machine.emit_assembly(module))


@pytest.mark.parametrize("fastmath", [False, True])
def test_products_and_sums_are_fused_only_if_asked_for(fastmath: bool) -> None:
    arrays = [float32[::1]] * 5
    code = instructions(norm_kernels.affine, *arrays, int64, int64, fastmath=fastmath)
    assert bool(FUSED.search(code)) == fastmath


def test_sixteen_sums_are_four_instructions() -> None:
    code = instructions(
        numba_rows.weight_by_events, uint64[:, ::1], float32[:, ::1], float32[:, ::1]
    )
    assert len(re.findall(r"\tfadd\tv\d+\.4s", code)) >= 4
    assert not re.search(r"\tfadd\ts", code)


def _below(words: Any, byte: Any) -> Any:
    return simd.mask_bytes_below(simd.load8(words, 0), byte)


def _at_least(u: Any, v: Any) -> Any:
    return simd.mask_at_least(simd.load16(u, 0), simd.load16(v, 0))  # type: ignore[call-arg]


def test_comparisons_give_bits_without_a_look_at_single_lanes() -> None:
    code = instructions(_below, uint64[::1], uint64)
    assert len(re.findall(r"\tcmhi\tv\d+\.16b", code)) == 4
    assert not re.search(r"\tumov\t|\tldrb\t", code)
    code = instructions(_at_least, float32[::1], float32[::1])
    assert len(re.findall(r"\tfcmge\tv\d+\.4s", code)) == 4
    assert not re.search(r"\tumov\t|\tfcmp\t", code)


def _fetched(words: Any) -> None:
    simd.fetch(words, 0)  # type: ignore[call-arg]


def test_what_is_read_soon_is_asked_for() -> None:
    assert re.search(r"\tprfm\tpldl1keep", instructions(_fetched, uint64[::1]))
