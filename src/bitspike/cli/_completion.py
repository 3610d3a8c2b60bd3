"""``bitspike completion``: scripts that complete without starting Python.

They are made from the parsers, and from the options of the models where their extra is installed.
"""

import argparse
from argparse import Namespace
from dataclasses import dataclass, fields

from bitspike.cli._commands import COMMANDS, MODELS, build


@dataclass(frozen=True)
class Entry:
    """What can follow a command: words, options, and the words that can follow an option."""

    words: tuple[str, ...]
    options: tuple[str, ...]
    values: dict[str, tuple[str, ...]]


def entries() -> dict[str, Entry]:
    """An entry for each command."""
    found = {}
    for name, parser in build()[1].items():
        words: list[str] = []
        options: list[str] = []
        values: dict[str, tuple[str, ...]] = {}
        for action in parser._actions:
            choices = tuple(map(str, action.choices)) if action.choices else ()
            if action.option_strings:
                options += action.option_strings
                if action.nargs != 0:
                    values |= dict.fromkeys(action.option_strings, choices)
            elif action.help != argparse.SUPPRESS:
                words += choices
        found[name] = Entry(tuple(words), tuple(options), values)
    train = found["train"]
    flags, values = _model_options()
    found["train"] = Entry(train.words, train.options + flags, train.values | values)
    return found


def _model_options() -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Options of all models with the words that can follow; none without their extra."""
    try:
        from bitspike.cli._programs import PROGRAMS
    except ImportError:
        return (), {}
    flags: dict[str, tuple[str, ...] | None] = {}
    for model in MODELS:
        for one in fields(PROGRAMS[model].options_class):
            argument = one.metadata["argument"]
            choices = tuple(argument.get("choices", ()))
            switch = argument.get("action") == "store_true"
            flags[f"--{one.name.replace('_', '-')}"] = None if switch else choices
    return tuple(flags), {name: words for name, words in flags.items() if words is not None}


def bash(found: dict[str, Entry]) -> str:
    """For bash; what is no option is completed as a file."""
    cases = []
    for name, entry in found.items():
        by_word: dict[tuple[str, ...], list[str]] = {}
        for option, words in entry.values.items():
            by_word.setdefault(words, []).append(option)
        lines = [
            f"            {'|'.join(options)}) words='{' '.join(words)}'; expects=1 ;;"
            for words, options in by_word.items()
        ]
        cases.append(
            f"    {name})\n"
            f"        words='{' '.join(entry.words)}' options='{' '.join(entry.options)}'\n"
            + ("        case $before in\n" + "\n".join(lines) + "\n        esac\n" if lines else "")
            + "        ;;"
        )
    names = " ".join(found)
    return f"""_bitspike() {{
    local here=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
    local words= options= expects= IFS=$' \\t\\n'
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W '{names} --help --version' -- "$here"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{chr(10).join(cases)}
    esac
    if [[ $here == -* && -z $expects ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$here"))
    else
        COMPREPLY=($(compgen -W "$words" -- "$here"))
        if [[ -z $expects || -z $words ]]; then
            COMPREPLY+=($(compgen -f -- "$here"))
        fi
    fi
}}
complete -o filenames -F _bitspike bitspike
"""


def zsh(found: dict[str, Entry]) -> str:
    """For zsh, which understands bash's completion."""
    return f"autoload -U +X compinit bashcompinit && compinit && bashcompinit\n{bash(found)}"


def fish(found: dict[str, Entry]) -> str:
    """For fish."""
    lines = [
        _complete("__fish_use_subcommand", "-f", f"-a {name}", f"-d {_quoted(one.summary)}")
        for name, one in COMMANDS.items()
    ]
    for name, entry in found.items():
        here = f"__fish_seen_subcommand_from {name}"
        if entry.words:
            lines.append(_complete(here, f"-a {_quoted(' '.join(entry.words))}"))
        for option in entry.options:
            dashes = "-l" if option.startswith("--") else ("-s" if len(option) == 2 else "-o")
            words = [f"{dashes} {option.lstrip('-')}"]
            if option in entry.values:
                values = entry.values[option]
                words += ["-x", f"-a {_quoted(' '.join(values))}"] if values else ["-r"]
            lines.append(_complete(here, *words))
    return "\n".join(lines) + "\n"


def _complete(condition: str, *rest: str) -> str:
    return " ".join(["complete -c bitspike -n", _quoted(condition), *rest])


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS = {"bash": bash, "zsh": zsh, "fish": fish}


def run(args: Namespace) -> int:
    """Prints the script."""
    print(SCRIPTS[args.shell](entries()), end="")
    return 0
