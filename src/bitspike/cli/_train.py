"""``bitspike train``: options from a file and from flags, then the model's own program."""

import tomllib
from collections.abc import Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from bitspike._terminal import json_text, say
from bitspike.cli._commands import COMMANDS, MODELS, build
from bitspike.cli._parser import UsageError


@dataclass(frozen=True)
class Request:
    """What the command line says, the model's own options unread."""

    model: str
    config: str
    print_config: bool
    rest: list[str]


def split(argv: Sequence[str]) -> Request:
    """Takes apart what is the command's and what is the model's.

    Raises:
        UsageError: if the model is unknown or ``--config`` lacks its file.
    """
    words = list(argv)
    model = words.pop(0) if words and not words[0].startswith("-") else ""
    config, print_config, rest = "", False, []
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in ("--config", "-config"):
            if not equals:
                value = words.pop(0) if words else ""
            if not value:
                raise UsageError("--config expects a file")
            config = value
        elif word in ("--print-config", "-print-config"):
            print_config = True
        else:
            rest.append(word)
    if model:
        check_model(model, "")
    return Request(model, config, print_config, rest)


def check_model(model: Any, where: str) -> None:
    """Refuses a model that there is not.

    Raises:
        UsageError: naming those that there are.
    """
    if model not in MODELS:
        raise UsageError(f"{where}no model {model!r}; there are {', '.join(MODELS)}")


def read_config(path: str) -> dict[str, Any]:
    """The options in a TOML file, dashes in names turned to underscores.

    Raises:
        UsageError: if it is no TOML.
        OSError: if it cannot be read.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # integers of 5,000 digits, 5,000 brackets
        raise UsageError(f"--config {path} is no TOML: {error}") from error
    return {name.replace("-", "_"): value for name, value in table.items()}


def as_flags(kind: type[Any], config: dict[str, Any], path: str) -> list[str]:
    """The options of a file in the form of flags.

    Raises:
        UsageError: naming the option that is unknown or has a value of the wrong type.
    """
    known: dict[str, Field[Any]] = {one.name: one for one in fields(kind)}
    flags = []
    for name, value in config.items():
        if name not in known:
            raise UsageError(f"--config {path}: no option {name!r}; there are {', '.join(known)}")
        wanted = type(known[name].default)
        fits = type(value) is wanted or (wanted is float and type(value) is int)
        if not fits:
            raise UsageError(
                f"--config {path}: {name} = {value!r} must be {_words(wanted)}, "
                f"as in {name} = {_toml(known[name].default)}"
            )
        choices = known[name].metadata["argument"].get("choices")
        if choices and value not in choices:
            raise UsageError(
                f"--config {path}: {name} = {value!r} must be one of {', '.join(choices)}"
            )
        dashed = f"--{name.replace('_', '-')}"
        if wanted is bool:
            flags += [dashed] if value else []
        else:
            flags.append(f"{dashed}={value}")
    return flags


def without_refused(kind: type[Any], flags: Sequence[str], rest: Sequence[str]) -> list[str]:
    """All flags, less the switches that a later ``--no-NAME`` turns off again."""
    switches = {one.name.replace("_", "-") for one in fields(kind) if type(one.default) is bool}
    words: list[str] = []
    for word in (*flags, *rest):
        off = word.lstrip("-").removeprefix("no-")
        if word.startswith(("--no-", "-no-")) and off in switches:
            words = [one for one in words if one.lstrip("-") != off]
        else:
            words.append(word)
    return words


def run(argv: Sequence[str]) -> int:
    """Trains; returns the program's exit code."""
    if argv and argv[0] in ("-h", "--help"):
        build()[1]["train"].print_help()
        return 0
    request = split(argv)
    config = read_config(request.config) if request.config else {}
    chosen = config.pop("model", None)
    if chosen is not None:
        check_model(chosen, f"--config {request.config}: ")
        if request.model and request.model != chosen:
            raise UsageError(
                f"--config {request.config} is for the model {chosen}, not {request.model}"
            )
    model = request.model or chosen or "mnist"

    from bitspike.cli._programs import PROGRAMS
    from bitspike.training import _options

    program = PROGRAMS[model]
    kind = program.options_class
    words = without_refused(kind, as_flags(kind, config, request.config), request.rest)
    text = f"{COMMANDS['train'].summary}: {MODELS[model]}. --config FILE reads options from TOML."
    options, _ = _options.parse_as(kind, words, f"bitspike train {model}", text)
    if request.print_config:
        say("\n".join(config_lines(model, options)))
        return 0
    code: int = program.module.main(words)
    return code


def config_lines(model: str, options: Any) -> list[str]:
    """Options as a file for ``--config``; those that are empty as comments."""
    lines = [f"model = {_toml(model)}"]
    for one in fields(options):
        value = getattr(options, one.name)
        line = f"{one.name} = {_toml(value)}  # {one.metadata['help']}"
        lines.append(f"# {line}" if value == "" else line)
    return lines


def _toml(value: Any) -> str:
    """A string, a number or a truth value; JSON's spelling is TOML's for these."""
    return json_text(value)


def _words(kind: type[Any]) -> str:
    return {int: "an integer", float: "a number", bool: "true or false"}.get(kind, "a string")
