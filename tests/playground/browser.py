"""A server of its own, and a headless Chromium that looks at it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en",
)


def require_browser() -> None:
    """Skips where there is no browser; fails there if ``.ci/run`` asks for one."""
    if BROWSER and DRIVER:
        return
    missing = "no chromium and chromedriver on the PATH (Debian: chromium, chromium-driver)"
    if os.environ.get("BITSPIKE_TEST_BROWSER") == "required":
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def serving(*arguments: str, cwd: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The page's address, and the program that serves it, on a free port."""
    command = [sys.executable, "-m", "bitspike.playground", "--port", "0", *arguments]
    program = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd
    )
    screen = program.stdout
    assert screen is not None
    try:
        said = ""
        for line in screen:
            said += line
            if found := re.search(r"http://\S+", line):
                yield found[0], program
                break
        else:
            pytest.fail(f"the server did not start:\n{said}")
    finally:
        if program.poll() is None:
            program.send_signal(signal.SIGINT)
        try:
            program.wait(20)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
        screen.close()


@contextmanager
def chromium(profile: Path, *flags: str) -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile, whose console can be read."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in (*FLAGS, f"--user-data-dir={profile}", *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()
