"""Load of the playground by fifty clients at once: errors, and the time from request to answer.

    python -m benchmarks.playground_load
    python -m benchmarks.playground_load --clients 10 --seconds 5 --per-second 10

Starts a server of its own. Each client draws a test image of MNIST line by line, sends a request
for each line, and waits for the answer before it sends the next one, as the page does. Exits with
code 1 if there was any error.
"""

import argparse
import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from websockets.asyncio.client import ClientConnection, connect

from bitspike.datasets import MNIST

T = 100


@dataclass
class Tally:
    """Answers, errors and times of all clients."""

    ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    right: int = 0
    finished: int = 0
    seconds: float = 0.0

    def report(self, what: str) -> str:
        """Return a line of the table."""
        p50, p95, p99 = np.percentile(self.ms or [np.nan], [50, 95, 99])
        return (
            f"| {what} | {len(self.ms) / self.seconds:,.0f} | {p50:.1f} | {p95:.1f} | {p99:.1f} "
            f"| {max(self.ms, default=0):.1f} | {len(self.errors)} |"
        )


@contextmanager
def serving() -> Iterator[str]:
    """Yield the address of a server's socket, on a free port."""
    command = [sys.executable, "-m", "bitspike.playground", "--port", "0"]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        for line in program.stdout or ():
            if found := re.search(r"http://(\S+)", line):
                yield f"ws://{found[1]}live"
                break
        else:
            raise SystemExit("the server did not start")
    finally:
        program.send_signal(signal.SIGINT)
        program.wait(20)


def request(number: int, drawing: npt.NDArray[np.uint8]) -> bytes:
    """Return a request as the page makes it."""
    header = {"id": number, "model": 0, "T": T, "tau": 2.0, "v_threshold": 1.0, "seed": number}
    text = json.dumps(header).encode()
    return len(text).to_bytes(4, "little") + text + drawing.tobytes()


def header_of(answer: bytes) -> dict[str, Any]:
    """Return the text part of an answer."""
    length = int.from_bytes(answer[:4], "little")
    return dict(json.loads(answer[4 : 4 + length]))


async def ready(socket: ClientConnection) -> None:
    """Wait until the server has a network."""
    while not json.loads(await socket.recv())["models"]:
        pass


async def answer_from(socket: ClientConnection) -> bytes:
    """Return the next answer; messages about the server's state may come before it."""
    while isinstance(message := await socket.recv(), str):
        pass
    return message


async def draw(
    url: str, digits: MNIST, first: int, until: float, pause: float, tally: Tally
) -> None:
    """Run a client, which draws digits until the time is over."""
    number = first
    try:
        async with connect(url, compression=None) as socket:
            await ready(socket)
            await asyncio.sleep(pause * (first % 50) / 50)
            while time.perf_counter() < until:
                drawing = np.kron(digits.images[number][0].numpy(), np.ones((4, 4), np.uint8))
                for line in range(20, 113, 8):
                    part = drawing.copy()
                    part[line:] = 0
                    began = time.perf_counter()
                    await socket.send(request(number, part))
                    answer = await asyncio.wait_for(answer_from(socket), 10)
                    took = time.perf_counter() - began
                    tally.ms.append(1e3 * took)
                    await asyncio.sleep(max(0.0, pause - took))
                found = header_of(answer)
                tally.finished += 1
                tally.right += found["predicted"] == int(digits.labels[number])
                if found["id"] != number:
                    tally.errors.append(f"answer to {found['id']} in place of {number}")
                number = (number + 50) % len(digits)
    except Exception as error:
        tally.errors.append(f"{type(error).__name__}: {error}")


async def load(url: str, digits: MNIST, clients: int, seconds: float, pause: float) -> Tally:
    """Run all clients at once."""
    async with connect(url, compression=None) as socket:
        await ready(socket)
    tally = Tally()
    began = time.perf_counter()
    people = (draw(url, digits, k, began + seconds, pause, tally) for k in range(clients))
    await asyncio.gather(*people)
    tally.seconds = time.perf_counter() - began
    return tally


def main() -> int:
    """Run the load twice: at the rate of a drawing user, and without pauses."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--per-second", type=float, default=5.0, help="requests of a drawing hand")
    options = parser.parse_args()
    digits = MNIST(train=False)
    failed = False
    print(f"{options.clients} clients, T = {T}, times in ms\n")
    print("| pace | requests/s | p50 | p95 | p99 | longest | errors |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with serving() as url:
        for what, pause in (
            (f"{options.per_second:g} requests/s each", 1 / options.per_second),
            ("as fast as answers come", 0.0),
        ):
            tally = asyncio.run(load(url, digits, options.clients, options.seconds, pause))
            print(tally.report(what), flush=True)
            for error in tally.errors[:5]:
                print(f"  {error}")
            failed |= bool(tally.errors) or not tally.ms
    print(f"\n{tally.right / max(1, tally.finished):.1%} of the finished digits were read right")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
