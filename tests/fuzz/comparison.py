"""Runs a case with the library and with the reference, and compares everything that comes out."""

import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tests.fuzz.cases import Case
from tests.fuzz.runs import Answer, Found, rounds
from torch import Tensor

from bitspike import base, kernels

UNITS = {"float32": 2.0**-24, "float64": 2.0**-53}
TOLERANCE = {"float32": 64.0, "float64": 1024.0}
"""How often the rounding of the reference a result may be off, in the precision of the case. That
is known of single precision, in which torch adds up some things in double."""
FLOOR = {"float32": 250.0, "float64": 4000.0}
"""Units of rounding of a tensor's largest value that a result may always be wrong by: in double
precision there is room for the sums of long sequences."""

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
        outcome: ``passed``; ``unclear``: in the reference itself rounding turns a spike over, or
            may do so where there is a difference; ``refused``: the library says that it cannot; or
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


def _compare(case: Case, got: Found, exact: Answer, rounded: list[Answer]) -> Verdict:
    if case.dtype == "float32" and any(_turned_over(exact, one) for one in rounded):
        return Verdict("unclear", "the reference spikes otherwise in single precision")
    different = list(_differences(case, got, exact, rounded))
    if not different:
        return Verdict("passed")
    details = "\n".join(different)
    numbers = [value for answer in (exact, *rounded) for value in answer.found.values()]
    if not all(bool(value.isfinite().all()) for value in numbers):
        return Verdict("unclear", "numbers that are not finite", details)
    if _may_turn_over(case, exact, rounded):
        return Verdict("unclear", different[0], details)
    return Verdict("failed", different[0], details)


def _differences(case: Case, got: Found, exact: Answer, rounded: list[Answer]) -> Iterator[str]:
    dtype = getattr(torch, case.dtype)
    unit = UNITS[case.dtype]
    for name, wanted in exact.found.items():
        if wanted.numel() == 0 or _means_nothing(case, name):
            continue
        largest = float(wanted.abs().max())
        allowed = _allowance(case, wanted, [one.found[name] for one in rounded])
        allowed += FLOOR[case.dtype] * unit * largest + unit * exact.terms.get(name, 0.0)
        allowed = allowed * exact.gain + torch.finfo(dtype).tiny  # below, numbers have few digits
        found = got.get(name)
        if found is None:
            if largest > allowed + unit:
                yield f"{name}: there is none"
        elif found.shape != wanted.shape or found.dtype != dtype:
            yield (
                f"{name}: {found.dtype} of shape {tuple(found.shape)}, but it must be {dtype} of "
                f"shape {tuple(wanted.shape)}"
            )
        else:
            difference = (found.double() - wanted).abs()
            if not float(difference.max()) <= allowed:
                share = float((difference > allowed).double().mean())
                yield (
                    f"{name}: off by {float(difference.max()):.3g} where {allowed:.2g} is allowed "
                    f"and the largest is {largest:.3g}; {share:.0%} of shape "
                    f"{tuple(found.shape)} are wrong"
                )
    for name in got.keys() - exact.found.keys():
        if bool(got[name].abs().max() > 0):
            yield f"{name}: only the library has it"


def _means_nothing(case: Case, name: str) -> bool:
    """A frozen network has outputs only; torch's checkpoint updates running statistics twice."""
    if case.variant == "frozen":
        return not name.startswith(("y", "x"))
    return case.variant == "checkpoint" and name.startswith("buffer")


def _allowance(case: Case, exact: Tensor, rounded: list[Tensor]) -> float:
    """How much rounding may change a value, by what it does to the reference."""
    found = max(float((exact - one.double()).abs().max()) for one in rounded)
    return TOLERANCE[case.dtype] * found * UNITS[case.dtype] / UNITS["float32"]


def _turned_over(exact: Answer, rounded: Answer) -> bool:
    """Whether rounding has put something on the other side of a jump, which proves nothing else."""
    pairs = zip(exact.notes, rounded.notes, strict=True)
    return any(bool(((one >= 0) != (other >= 0)).any()) for one, other in pairs)


def _may_turn_over(case: Case, exact: Answer, rounded: list[Answer]) -> bool:
    """Whether the reference came so close to a jump that rounding decides on which side it is."""
    for distance, *others in zip(exact.notes, *(one.notes for one in rounded), strict=True):
        if distance.numel() == 0:
            continue
        allowed = _allowance(case, distance, others)
        if allowed == 0.0:
            continue  # exact
        allowed = allowed / 4 + 4 * UNITS[case.dtype] * float(distance.abs().max())
        near = distance.abs() <= allowed
        exactly = (distance == 0) & (others[0] == 0)
        if bool((near & ~exactly).any()):
            return True
    return False
