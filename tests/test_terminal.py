import json
import tomllib

import pytest

from bitspike import _terminal
from bitspike._terminal import complain, json_text, printable, say, sentence

# Red, the 8-bit form of the same, a title, a line of its own, text from right to left, an octet of
# a file name that is no UTF-8, a bell.
NASTY = ["\x1b[31m", "\x9b31m", "\x1b]0;title\x07", "\u202e", "\udcff", "\a", "\r", "\0"]


@pytest.mark.parametrize("code", NASTY)
def test_control_codes_become_visible(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"a{code}b"
    shown = printable(text)
    assert shown.isprintable()
    assert shown.startswith("a\\")
    assert shown.endswith("b")
    say(text)
    complain("prog", text)
    complain("prog", ValueError(text))
    out, err = capsys.readouterr()
    assert out == f"{shown}\n"
    assert err == f"prog: error: {shown}\n" * 2


def test_what_is_harmless_stays() -> None:
    for text in ("", "a b", "图片 1.png", "全角\u3000空格", "café\u00a0x", "→ ×"):
        assert printable(text) == text


def test_lines() -> None:
    assert printable("a\nb") == r"a\nb"
    assert printable("a\nb\x1b", lines=True) == "a\nb\\x1b"


@pytest.mark.parametrize("code", NASTY)
def test_json_says_the_same_without_them(code: str) -> None:
    value = {f"k{code}": [f"a{code}b\n", 1.5, None, "é\U0001f600\U000e0001"]}
    text = json_text(value)
    assert text.isprintable()
    assert json.loads(text) == value
    assert "é" in text
    assert json_text({"a": 1}, indent=1) == '{\n "a": 1\n}'
    if code != "\udcff":  # which TOML has not
        assert tomllib.loads(f"a = {json_text(code)}") == {"a": code}


def test_errors_of_the_system_name_the_file_and_the_reason() -> None:
    assert sentence(OSError(28, "No space left on device", "a/b")) == "a/b: No space left on device"
    assert sentence(OSError("cannot listen")) == "cannot listen"
    assert sentence(ValueError("x")) == "x"


def test_errors_of_a_parser_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _terminal.Parser(prog="prog").parse_args(["\x1b[31m\n"])
    assert capsys.readouterr().err == "prog: error: unrecognized arguments: \\x1b[31m\\n\n"
