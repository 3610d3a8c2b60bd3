"""The picture of the results, and their tables in the documentation's pages.

The pages are static: the text between ``<!-- NAME -->`` and ``<!-- end -->`` is written here,
from ``results/NAME.json``.
"""

import re
from pathlib import Path

from benchmarks import _chart
from benchmarks._measure import Row
from benchmarks._results import FOLDER, Result, load, table

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {"performance.md": "en", "performance.zh.md": "zh"}
OMITTED = ("ratio in the rounds",)
MISSING = {"en": "Not measured yet.", "zh": "尚未测量。"}
CHINESE = {
    "step": "步骤",
    "training": "训练",
    "inference": "推理",
    "network": "网络",
    "batch": "批大小",
    "threads": "线程数",
    "ratio": "倍数",
    "ratio, low": "倍数（low）",
    "program": "程序",
    "epochs": "轮数",
    "seconds": "秒",
    "first epoch's accuracy": "首轮准确率",
    "extrapolated": "外推",
    "no": "否",
    "first call of torch.compile, s": "torch.compile 首次调用，秒",
    "spikes, %": "脉冲，%",
    "what": "计算",
    "outputs": "输出数",
    "product / events": "矩阵乘 / 事件",
    "events, ms": "事件，ms",
    "product, ms": "矩阵乘，ms",
    "rule": "规则",
    "events": "事件",
    "product": "矩阵乘",
    "seed": "种子",
    "mean": "均值",
    "spread": "标准差",
    "last epoch, %": "最后一轮，%",
    "best epoch, %": "最好一轮，%",
    "forward": "前向",
    "bitspike, images/s": "bitspike，图像/秒",
}

_MARK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write() -> None:
    """Draw the picture and fill both pages."""
    _chart.draw()
    for page, language in PAGES.items():
        path = DOCS / page
        path.write_text(filled(path.read_text(encoding="utf-8"), language), encoding="utf-8")


def filled(page: str, language: str, folder: Path = FOLDER) -> str:
    """Return a page's text with tables of the results in ``folder``."""

    def block(match: re.Match[str]) -> str:
        head, name, tail = match.groups()
        return f"{head}\n{content(name, language, folder)}\n{tail}"

    return _MARK.sub(block, page)


def content(name: str, language: str, folder: Path) -> str:
    """Return the Markdown of one mark."""
    if name == "chart":
        drawn = _chart.PICTURE.exists()
        alt = {"en": "One training step of each library", "zh": "各库的一个训练步"}[language]
        return f"![{alt}](images/{_chart.PICTURE.name})\n" if drawn else f"{MISSING[language]}\n"
    result = load("tutorial" if name == "machine" else name, folder)
    if result is None:
        return f"{MISSING[language]}\n"
    if name == "machine":
        return machine(result)
    return table([_translated(row, language) for row in result["rows"]])


def machine(result: Result) -> str:
    """Return a line that describes machine and versions."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return (
        f"`{result['processor']}`, {result['cores']} cores, Python {result['python']}, {versions}\n"
    )


def _translated(row: Row, language: str) -> Row:
    kept = {column: value for column, value in row.items() if column not in OMITTED}
    if language == "en":
        return kept
    return {
        CHINESE.get(column, column): CHINESE.get(value, value) if isinstance(value, str) else value
        for column, value in kept.items()
    }
