"""A program's options: one dataclass holds the command line, its help and its checks."""

import argparse
import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, TypeVar

import torch

from bitspike._terminal import Parser

Options = TypeVar("Options", bound="BaseOptions")
Rule = tuple[str, Callable[[Any], bool]]
_LARGEST = 2**31 - 1  # number of images or neurons


class OptionError(ValueError):
    """An option has a value that the program cannot work with."""


def option(default: Any, text: str, *, choices: Collection[str] = (), metavar: str = "") -> Any:
    """Return a field of an options class.

    Args:
        default: the default, whose type is that of the option; False makes a switch.
        text: the help.
        choices: the words that are allowed.
        metavar: name of the value in the help.
    """
    names = {int: "N", float: "X"}
    argument: dict[str, Any] = {"action": "store_true"} if default is False else {}
    if type(default) in names:
        argument = {"type": type(default), "metavar": names[type(default)]}
    elif choices:
        argument = {"choices": tuple(choices)}
    elif metavar:
        argument = {"metavar": metavar}
    return field(default=default, metadata={"text": text, "argument": argument})


def flag(name: str) -> str:
    """Return an option as it is given on the command line, ``-out-dir`` for ``out_dir``."""
    return f"-{name.replace('_', '-')}"


@dataclass(frozen=True)
class BaseOptions:
    """The base class of a program's options, whose fields are made by `option`.

    Attributes:
        named: the options that stand in the name of every run, and the letters before their values.
        free: the options that do not decide what is learned: a resumed run may change them.
        growing: the options of which a resumed run may give a larger number.
        least: the smallest integers, where that is not 0.
        most: the largest integers.
        rules: other conditions: the end of an error message, and whether a value is allowed.
    """

    named: ClassVar[Mapping[str, str]] = {}
    free: ClassVar[frozenset[str]] = frozenset(
        ("device", "j", "threads", "data_dir", "out_dir", "resume", "predict", "image")
    )
    growing: ClassVar[frozenset[str]] = frozenset()
    least: ClassVar[Mapping[str, int]] = {"T": 1, "b": 1, "threads": 1}
    # With many more threads OpenMP ends the process.
    most: ClassVar[Mapping[str, int]] = {"T": 100_000, "threads": 1024}
    rules: ClassVar[Mapping[str, Rule]] = {
        "seed": ("must lie in [0, 2**32)", lambda seed: 0 <= seed < 2**32),
        # Adam's first step is up to ten times as large, and must be a float32 as well.
        "lr": ("must lie in (0, 3e+37]", lambda lr: 0 < lr <= 3e37),
        "momentum": ("must lie in [0, 1)", lambda momentum: 0 <= momentum < 1),
        "tau": ("is in time steps and must be > 1", lambda tau: 1 < tau < math.inf),
    }

    @property
    def run_name(self) -> str:
        """The name of the run's folder: the options in `named`, then those not at their default."""
        names = list(self.named)
        for part in fields(self):
            changed = getattr(self, part.name) != part.default
            if changed and part.name not in self.free | self.named.keys():
                names.append(part.name)
        return "_".join(map(self._in_name, names))

    def _in_name(self, name: str) -> str:
        value = getattr(self, name)
        if isinstance(value, bool):
            return name if value else f"no-{name}"
        return value if isinstance(value, str) else f"{self.named.get(name, name)}{value}"

    def trajectory(self) -> dict[str, Any]:
        """Return the options that decide what is learned: a resumed run cannot change them."""
        return {name: value for name, value in asdict(self).items() if name not in self.free}

    def as_text(self) -> str:
        """Return one option a line, for ``args.txt``."""
        return "".join(f"{name}: {value}\n" for name, value in asdict(self).items())

    def check(self, given: frozenset[str] = frozenset()) -> None:
        """Refuse values that the program cannot work with.

        Args:
            given: names of the options that were given on the command line.

        Raises:
            OptionError: naming the option, its value and what it may be.
        """
        for part in fields(self):
            name, value = flag(part.name), getattr(self, part.name)
            choices = part.metadata["argument"].get("choices")
            if choices and value not in choices:
                raise OptionError(f"{name} must be one of {', '.join(choices)}, but is {value!r}")
            if part.name in self.rules:
                text, allowed = self.rules[part.name]
                if not allowed(value):
                    raise OptionError(f"{name} {text}, but is {_shown(value)}")
            elif isinstance(value, str):
                if "\0" in value:
                    raise OptionError(f"{name} {value!r} has a NUL in it, which no path may have")
                if part.name in given and not value.strip():
                    raise OptionError(f"{name} is empty")
            elif type(value) is int:
                least, most = self.least.get(part.name, 0), self.most.get(part.name, _LARGEST)
                if value < least:
                    raise OptionError(f"{name} must be at least {least}, but is {value}")
                if value > most:
                    raise OptionError(f"{name} must be at most {most}, but is {_shown(value)}")


def _shown(value: float) -> str:
    """Return a number for a message: Python refuses to write out an integer of 4,300 digits."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"{'minus ' if value < 0 else ''}a number of {value.bit_length()} bits"
    return str(value)


def parse_options(
    kind: type[Options], argv: Sequence[str] | None, program: str, description: str | None
) -> tuple[Options, frozenset[str]]:
    """Return the options in ``argv``, and the names of those that were given.

    The process exits with code 2 and one line on standard error if ``argv`` cannot be understood.

    Args:
        kind: class of the options.
        argv: arguments; None is the command line.
        program: name for help and errors.
        description: the first line stands in the help.
    """
    parser = Parser(
        prog=program,
        description=(description or "").split("\n")[0],
        argument_default=argparse.SUPPRESS,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=28),
    )
    for part in fields(kind):
        text = part.metadata["text"]
        if part.default != "" and part.default is not False:
            text += f" (default: {part.default})"
        names = flag(part.name), f"-{flag(part.name)}"
        parser.add_argument(*names, dest=part.name, help=text, **part.metadata["argument"])
    given = vars(parser.parse_args(sys.argv[1:] if argv is None else argv))
    return kind(**given), frozenset(given)


def choose_device(name: str, amp: bool = False) -> torch.device:
    """Return the device that was asked for, or the best one there is if ``name`` is empty.

    Raises:
        OptionError: if it is unknown, absent, or cannot do mixed precision where that is wanted.
    """
    device = _device(name)
    if amp and device.type not in ("cuda", "cpu"):
        raise OptionError(f"-amp works on cuda and cpu, not on {device.type}")
    return device


def _device(name: str) -> torch.device:
    if not name:
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    unknown = OptionError(f"-device {name!r} is unknown; try cpu, cuda:0 or mps")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise unknown from error
    if str(device) != name:  # torch counts devices in 8 bits: for it 256 is 0
        raise unknown
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise OptionError(f"-device {name}: this machine has {count} usable CUDA devices")
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise OptionError("-device mps is not available on this machine")
    elif device.type != "cpu":
        raise OptionError(f"-device {name!r} is not supported; try cpu, cuda:0 or mps")
    return device


def saved_options(
    kind: type[BaseOptions], saved: object, required: Collection[str]
) -> dict[str, Any]:
    """Return the options in a checkpoint, after the same checks as those of a command line.

    Args:
        kind: class of the options.
        saved: the options as the checkpoint has them.
        required: names of the options that must be there; others of `BaseOptions.trajectory` may.

    Raises:
        OptionError: if an option is missing, unknown, of another type, or refused by
            `BaseOptions.check`.
    """
    if not isinstance(saved, dict):
        raise OptionError(f"the options are no dict, but {type(saved).__name__}")
    defaults = kind().trajectory()
    if unknown := [name for name in saved if name not in defaults]:
        raise OptionError(f"the option {unknown[0]!r} is unknown")
    if missing := [name for name in defaults if name in required and name not in saved]:
        raise OptionError(f"the option -{missing[0]} is missing")
    values = {}
    for name, value in saved.items():
        like = type(defaults[name])
        if type(value) is not like and not (like is float and type(value) is int):
            raise OptionError(f"-{name} is {type(value).__name__} in place of {like.__name__}")
        if type(value) is int and value.bit_length() > 1000:
            raise OptionError(f"-{name} is {_shown(value)}")
        values[name] = like(value)
    kind(**values).check()
    return values


def adopt_options(options: Options, given: frozenset[str], saved: Mapping[str, Any]) -> Options:
    """Return ``options`` with those of a checkpoint that decide what is learned.

    Raises:
        OptionError: if an option that was given on the command line contradicts the checkpoint.
    """
    adopted = dict(saved)
    for name, old in saved.items():
        new = getattr(options, name)
        if name not in given or new == old:
            continue
        if name not in options.growing or new < old:
            raise OptionError(
                f"-{name} {new} differs from the checkpoint's {old}; it cannot be changed any "
                f"more: leave -{name} out, or start a new run"
            )
        del adopted[name]
    return replace(options, **adopted)
