"""``bitspike data``: fetch data sets, or look whether they are present and whole."""

import warnings
from argparse import Namespace
from typing import Any

from bitspike._terminal import complain, say
from bitspike.cli._output import UsageError, print_json, table
from bitspike.datasets import DatasetError, DatasetNote, download
from bitspike.training import DATASETS


def _look(name: str, root: str | None) -> list[dict[str, Any]]:
    """Return a row for each split: its number of images, and whether they are the official ones."""
    rows = []
    for split, train in (("train", True), ("test", False)):
        row: dict[str, Any] = {"dataset": name, "split": split, "images": None, "official": False}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DatasetNote)
                images = DATASETS[name](root, train=train, download=False)
        except DatasetError as error:
            row["error"] = str(error)
        else:
            row |= {"images": len(images), "official": images.official}
        rows.append(row)
    return rows


def run(args: Namespace) -> int:
    """Fetch if asked to, and print what is present; 1 if a file is missing or not official."""
    unknown = [name for name in args.datasets if name not in DATASETS]
    if unknown:
        raise UsageError(f"no data set {unknown[0]!r}; there are {', '.join(DATASETS)}")
    names, root = args.datasets or list(DATASETS), args.root or None
    failed = False
    if args.action == "get":
        for name in names:
            try:
                download(DATASETS[name], root)
            except DatasetError as error:
                complain("bitspike data", error)
                failed = True
    rows = [row for name in names for row in _look(name, root)]
    if args.json:
        print_json({"root": args.root or None, "splits": rows})
    else:
        say(table(("data set", "split", "images", ""), [_cells(row) for row in rows]))
        for text in () if failed else dict.fromkeys(row["error"] for row in rows if "error" in row):
            complain("bitspike data", text)
    whole = all(row["official"] for row in rows)
    return 0 if whole and not failed else 1


def _cells(row: dict[str, Any]) -> list[str]:
    images = "-" if row["images"] is None else f"{row['images']:,}"
    state = "missing or damaged" if "error" in row else "your own files"
    return [
        row["dataset"],
        row["split"],
        images,
        "official, verified" if row["official"] else state,
    ]
