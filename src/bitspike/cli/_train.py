"""``bitspike train``: options from a file and from flags, then the model's own program."""

import tomllib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike._terminal import json_text, say
from bitspike.cli._commands import COMMANDS, MODELS, build, program_of
from bitspike.cli._output import UsageError

if TYPE_CHECKING:
    from bitspike.training import BaseOptions

_KINDS = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}


def _split(argv: Sequence[str]) -> tuple[str, str, bool, list[str]]:
    """Return the model, the file of ``--config``, ``--print-config``, and the model's own words."""
    words = list(argv)
    model = words.pop(0) if words and not words[0].startswith("-") else ""
    config, print_config, rest = "", False, []
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in ("--config", "-config"):
            config = value if equals or not words else words.pop(0)
            if not config:
                raise UsageError("--config expects a file")
        elif word in ("--print-config", "-print-config"):
            print_config = True
        else:
            rest.append(word)
    if model:
        _check_model(model, "")
    return model, config, print_config, rest


def _check_model(model: Any, where: str) -> None:
    if model not in MODELS:
        raise UsageError(f"{where}no model {model!r}; there are {', '.join(MODELS)}")


def _read_config(path: str) -> dict[str, Any]:
    """Return the options in a TOML file, dashes in names turned to underscores."""
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # integers of 5,000 digits, 5,000 brackets
        raise UsageError(f"--config {path} is no TOML: {error}") from error
    return {name.replace("-", "_"): value for name, value in table.items()}


def _as_flags(kind: "type[BaseOptions]", config: dict[str, Any], path: str) -> list[str]:
    """Return the options of a file in the form of flags."""
    known = {part.name: part for part in fields(kind)}
    flags = []
    for name, value in config.items():
        if name not in known:
            raise UsageError(f"--config {path}: no option {name!r}; there are {', '.join(known)}")
        wanted = type(known[name].default)
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise UsageError(
                f"--config {path}: {name} = {value!r} must be {_KINDS[wanted]}, "
                f"as in {name} = {json_text(known[name].default)}"
            )
        choices = known[name].metadata["argument"].get("choices")
        if choices and value not in choices:
            raise UsageError(
                f"--config {path}: {name} = {value!r} must be one of {', '.join(choices)}"
            )
        dashed = f"--{name.replace('_', '-')}"
        if value is not False:
            flags.append(dashed if value is True else f"{dashed}={value}")
    return flags


def _without_refused(
    kind: "type[BaseOptions]", flags: Sequence[str], rest: Sequence[str]
) -> list[str]:
    """Return all flags, less the switches that a later ``--no-NAME`` turns off again."""
    switches = {p.name.replace("_", "-") for p in fields(kind) if type(p.default) is bool}
    words: list[str] = []
    for word in (*flags, *rest):
        off = word.lstrip("-").removeprefix("no-")
        if word.startswith(("--no-", "-no-")) and off in switches:
            words = [earlier for earlier in words if earlier.lstrip("-") != off]
        else:
            words.append(word)
    return words


def run(argv: Sequence[str]) -> int:
    """Train, and return the program's exit code."""
    if argv and argv[0] in ("-h", "--help"):
        build()[1]["train"].print_help()
        return 0
    model, file, print_config, rest = _split(argv)
    config = _read_config(file) if file else {}
    chosen = config.pop("model", None)
    if chosen is not None:
        _check_model(chosen, f"--config {file}: ")
        if model and model != chosen:
            raise UsageError(f"--config {file} is for the model {chosen}, not {model}")
    model = model or chosen or "mnist"
    from bitspike.training import parse_options

    program = program_of(model)
    words = _without_refused(program.Options, _as_flags(program.Options, config, file), rest)
    text = f"{COMMANDS['train'].summary}: {MODELS[model]}. --config FILE reads options from TOML."
    options, _ = parse_options(program.Options, words, f"bitspike train {model}", text)
    if print_config:
        say("\n".join(_config_lines(model, options)))
        return 0
    code: int = program.main(words)
    return code


def _config_lines(model: str, options: "BaseOptions") -> list[str]:
    """Return options as a file for ``--config``; empty ones as comments."""
    lines = [f"model = {json_text(model)}"]  # JSON and TOML spell such values alike
    for part in fields(options):
        value = getattr(options, part.name)
        line = f"{part.name} = {json_text(value)}  # {part.metadata['text']}"
        lines.append(f"# {line}" if value == "" else line)
    return lines
