"""Runs a case with the library and with the reference, and compares everything that comes out."""

import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tests.fuzz.cases import Case
from tests.fuzz.reference import Reference
from tests.fuzz.runs import Found, rounds
from torch import Tensor

from bitspike import base, kernels

SAME_FLOAT = {"float32": 2.0**-24, "float64": 2.0**-53}
MARGIN, TOLERANCE = 16.0, 64.0
"""By how much the library's rounding may exceed that of the reference in single precision: in what
is compared with a threshold, and in results."""
FLOOR = 250.0
"""Units of rounding of a tensor's largest value that a result may always be wrong by."""

REFUSALS: tuple[tuple[type[Exception], str, str, tuple[str, ...]], ...] = (
    (kernels.BackendError, "", "backend", ("numba",)),
    (base.StateError, "save_memory", "variant", ("checkpoint",)),
    (ValueError, "nothing to save", "variant", ("save_memory", "chunks")),
)
"""Errors that are right, by their words and by the field of the case that brings them about."""


@dataclass(frozen=True)
class Verdict:
    """What became of a case.

    Attributes:
        outcome: ``passed``; ``unclear``: there is a difference, but in the reference itself
            rounding may turn a spike over; ``refused``: the library says that it cannot; or
            ``failed``.
        what: the first difference, or the error.
        details: the rest of it.
    """

    outcome: str
    what: str = ""
    details: str = ""


def check(case: Case) -> Verdict:
    """The verdict on a case, whatever happens."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            for _round in rounds(case):
                verdict = _compare(case, *_round)
                if verdict.outcome != "passed":
                    return verdict
        except Exception as error:
            return _verdict_on(error, case)
    return Verdict("passed")


def _verdict_on(error: Exception, case: Case) -> Verdict:
    last = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    refused = any(
        isinstance(error, kind) and words in str(error) and getattr(case, field) in values
        for kind, words, field, values in REFUSALS
    )
    where = f"{last.filename}:{last.lineno}"
    details = "".join(traceback.format_exception(error))
    return Verdict("refused" if refused else "failed", f"{what} at {where}", details)


def _compare(
    case: Case, got: Found, want: Found, single: Found, fine: Reference, coarse: Reference
) -> Verdict:
    different = list(_differences(case, got, want, single, fine.terms))
    if not different:
        return Verdict("passed")
    details = "\n".join(different)
    numbers = [*want.values(), *single.values()]
    if not all(bool(v.isfinite().all()) for v in numbers):
        return Verdict("unclear", "numbers that are not finite", details)
    if _may_turn_over(case, fine.notes, coarse.notes):
        return Verdict("unclear", different[0], details)
    return Verdict("failed", different[0], details)


def _differences(
    case: Case, got: Found, want: Found, single: Found, terms: dict[str, float]
) -> Iterator[str]:
    dtype = getattr(torch, case.dtype)
    unit = SAME_FLOAT[case.dtype]
    finer = unit / SAME_FLOAT["float32"]  # the reference in single precision rounds more
    for name, wanted in want.items():
        if case.variant == "frozen" and not name.startswith(("y", "x")):
            continue
        if name not in got:
            if wanted.abs().max() > TOLERANCE * (wanted - single[name]).abs().max() + unit:
                yield f"{name}: there is none"
            continue
        found = got[name]
        if found.shape != wanted.shape or found.dtype != dtype:
            yield (
                f"{name}: {found.dtype} of shape {tuple(found.shape)}, but it must be {dtype} of "
                f"shape {tuple(wanted.shape)}"
            )
            continue
        if wanted.numel() == 0:
            continue
        largest = float(wanted.abs().max())
        rounding = float((wanted - single[name].double()).abs().max()) * finer
        allowed = TOLERANCE * rounding + FLOOR * unit * largest
        allowed += unit * terms.get(name, 0.0)
        difference = (found.double() - wanted).abs()
        if not float(difference.max()) <= allowed:
            share = float((difference > allowed).double().mean())
            yield (
                f"{name}: off by {float(difference.max()):.3g} where {allowed:.2g} is allowed and "
                f"the largest is {largest:.3g}; {share:.0%} of shape {tuple(found.shape)} are wrong"
            )
    for name in got.keys() - want.keys():
        if bool(got[name].abs().max() > 0):
            yield f"{name}: only the library has it"


def _may_turn_over(case: Case, fine: list[Tensor], coarse: list[Tensor]) -> bool:
    """Whether the reference came so close to a jump that rounding decides on which side it is."""
    if len(fine) != len(coarse):
        return True
    finer = SAME_FLOAT[case.dtype] / SAME_FLOAT["float32"]
    for one, other in zip(fine, coarse, strict=True):
        if one.numel() == 0:
            continue
        rounding = float((one - other.double()).abs().max()) * finer
        if rounding == 0.0:
            continue  # exact
        near = one.abs() <= MARGIN * rounding + 4 * SAME_FLOAT[case.dtype] * one.abs().max()
        exactly = (one == 0) & (other == 0)
        if bool((near & ~exactly).any()):
            return True
    return False
