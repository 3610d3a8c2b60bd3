"""The tables of the performance page are those of the benchmarks' results."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _root_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize("page", ["performance.md", "performance.zh.md"])
def test_the_page_shows_the_results(page: str) -> None:
    from benchmarks import _report

    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert text == _report.filled(text, _report.PAGES[page]), "run `make bench ARGS=report`"


def test_every_suite_is_shown() -> None:
    from benchmarks import _report
    from benchmarks.__main__ import SUITES

    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    shown = {match[2] for match in _report._MARK.finditer(text)}
    named = {name.removesuffix("_steps").removesuffix("_density") for name in shown}
    assert named == {*SUITES, "accuracy", "chart", "machine"}


def test_a_result_becomes_a_table(tmp_path: Path) -> None:
    from benchmarks import _report

    rows = [{"batch": 64, "ratio": 12.345}, {"batch": 1280, "seconds": None}]
    (tmp_path / "lif.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
    page = "a\n<!-- lif -->\nold\n<!-- end -->\nb\n<!-- memory -->\n<!-- end -->\n"
    assert _report.filled(page, "zh", tmp_path) == (
        "a\n<!-- lif -->\n\n| 批大小 | 倍数 | 秒 |\n| --- | --- | --- |\n| 64 | 12.3 | - |\n"
        "| 1,280 | - | - |\n\n<!-- end -->\nb\n<!-- memory -->\n\n尚未测量。\n\n<!-- end -->\n"
    )


def test_the_ratio_is_between_the_fastest_of_each() -> None:
    from benchmarks._measure import Timing, ratio

    times = {
        "bitspike": Timing([2.0, 4.0, 3.0]),
        "bitspike single-step": Timing([1.0, 1.0, 1.0]),
        "SpikingJelly": Timing([90.0, 90.0, 90.0]),
        "SpikingJelly single-step": Timing([60.0, 60.0, 60.0]),
    }
    assert ratio(times) == {"ratio": 20.0, "ratio in the rounds": "15 to 30"}
    assert ratio({"bitspike": Timing([1.0])}) == {}
