"""The page in a real browser. ``BITSPIKE_SCREENSHOTS=docs/images`` renews the documentation's."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from bitspike.examples.lif_fc_mnist import Options, make_net
from bitspike.training import save_checkpoint

from .browser import chromium, require_browser, serving
from .conftest import QUICK
from .digits import DIGITS, Stroke

pytestmark = pytest.mark.timeout(180)


class Page:
    """What a person sees and does."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        driver.get(url)

    def text(self, name: str) -> str:
        return self.driver.find_element(By.ID, name).text

    def click(self, name: str) -> None:
        self.driver.find_element(By.ID, name).click()

    def wait(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        WebDriverWait(self.driver, seconds, 0.05).until(lambda _: condition())

    def wait_ready(self, seconds: float = 20) -> None:
        self.wait(lambda: self.text("status") == "Ready" and self.answers > 0, seconds)

    @property
    def answers(self) -> int:
        return int(self.driver.execute_script("return document.body.dataset.answer ?? 0"))

    def after(self, action: Callable[[], object]) -> None:
        """Does something, and waits until the answer to it is shown."""
        before = self.answers
        action()
        self.wait(lambda: self.answers > before)
        self.driver.execute_async_script(
            "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        )

    def draw(self, strokes: list[Stroke], kind: str = "mouse") -> None:
        """Draws with a mouse, a pen or a finger (``touch``)."""
        pad = self.driver.find_element(By.ID, "pad")
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", pad)
        box = self.driver.execute_script(
            "return arguments[0].getBoundingClientRect().toJSON()", pad
        )

        def place(x: float, y: float) -> tuple[int, int]:
            return round(box["x"] + x * box["width"]), round(box["y"] + y * box["height"])

        for stroke in strokes:
            builder = ActionBuilder(self.driver, mouse=PointerInput(kind, kind), duration=10)
            pointer = builder.pointer_action
            pointer.move_to_location(*place(*stroke[0]))
            pointer.pointer_down()
            for point in stroke[1:]:
                pointer.move_to_location(*place(*point))
            pointer.pointer_up()
            builder.perform()

    def slide(self, name: str, value: float) -> None:
        """Moves a slider as a hand does: it says that it moved."""
        self.driver.execute_script(
            "const [node, value] = arguments; node.value = value;"
            "node.dispatchEvent(new Event('input', {bubbles: true}))",
            self.driver.find_element(By.ID, name),
            value,
        )

    def counts(self) -> list[int]:
        rows = self.driver.find_elements(By.CSS_SELECTOR, "#bars li")
        return [int(str(row.get_attribute("data-count"))) for row in rows]

    def pixels(self, name: str) -> int:
        """How many pixels of a canvas are not transparent."""
        return int(
            self.driver.execute_script(
                "const c = document.getElementById(arguments[0]);"
                "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
                "let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 128; return n",
                name,
            )
        )

    def console(self) -> list[str]:
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]

    def screenshot(self, name: str, folder: Path) -> None:
        chosen = os.environ.get("BITSPIKE_SCREENSHOTS")
        path = (Path(chosen) if chosen else folder) / name
        assert self.driver.save_screenshot(str(path))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A trained network, and one that never fires."""
    folder = tmp_path_factory.mktemp("runs")
    for run in ("good", "silent"):
        (folder / run).mkdir()
    trained = (cache / f"mnist_T{QUICK.T}.pth").read_bytes()
    (folder / "good/checkpoint_max.pth").write_bytes(trained)
    net = make_net(Options())
    next(net.parameters()).data.zero_()
    options = {"T": 33, "tau": 4.0, "dataset": "mnist"}
    save_checkpoint(
        folder / "silent/checkpoint_max.pth",
        "lif_fc_mnist",
        {"options": options, "net": net.state_dict()},
    )
    return folder


@pytest.fixture(scope="module")
def url(
    checkpoints: Path, mnist_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    require_browser()
    folder = tmp_path_factory.mktemp("server")
    with serving(str(checkpoints), "--data-dir", str(mnist_root), cwd=folder) as (url, _):
        yield url


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    require_browser()
    with chromium(tmp_path_factory.mktemp("profile"), "--window-size=1200,1330") as driver:
        yield driver


@pytest.fixture
def page(driver: Chrome, url: str) -> Iterator[Page]:
    page = Page(driver, url)
    page.wait_ready()
    yield page
    assert page.console() == []


def test_a_stroke_is_read_while_it_is_drawn(page: Page, tmp_path: Path) -> None:
    assert page.text("digit") == "–"
    assert page.driver.find_element(By.ID, "hint").is_displayed()
    page.after(lambda: page.draw(DIGITS[3]))
    page.wait(lambda: page.text("digit") == "3")
    assert not page.driver.find_element(By.ID, "hint").is_displayed()
    counts = page.counts()
    assert counts.index(max(counts)) == 3
    page.after(lambda: page.slide("T", 100))
    page.click("play")  # pauses: everything is shown
    for name in ("membranes", "outputs", "inputs"):
        assert page.pixels(name) > 500, name
    assert "3" in page.text("bars").split("\n")[6:8][0]
    page.screenshot("playground.png", tmp_path)
    page.after(lambda: page.click("clear"))
    page.wait(lambda: page.text("digit") == "–")
    assert page.counts() == [0] * 10
    assert page.driver.find_element(By.ID, "hint").is_displayed()


@pytest.mark.parametrize("digit", [0, 1, 4])
def test_digits_are_read_again_after_clearing(page: Page, digit: int) -> None:
    page.after(lambda: page.draw(DIGITS[digit], "pen"))
    page.wait(lambda: page.text("digit") == str(digit))


def test_sliders_change_the_answer(page: Page) -> None:
    page.after(lambda: page.draw(DIGITS[7]))
    page.wait(lambda: page.text("digit") == "7")
    few = sum(page.counts())
    page.after(lambda: page.slide("T", 150))
    page.wait(lambda: sum(page.counts()) > 3 * few)
    assert page.text("T-value") == "150"
    page.after(lambda: page.slide("v_threshold", 5))
    page.wait(lambda: page.counts()[7] < 140)
    page.after(lambda: page.slide("tau", 20))
    page.wait(lambda: page.counts() == [0] * 10)
    assert page.text("digit") == "–"
    assert "no neuron fired" in page.text("verdict-text")
    page.after(lambda: page.click("trained"))
    assert [page.text(f"{name}-value") for name in ("T", "tau", "v_threshold")] == ["20", "2", "1"]
    page.wait(lambda: page.text("digit") == "7")


def test_a_slider_obeys_the_keyboard(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    slider = page.driver.find_element(By.ID, "T")
    page.after(lambda: slider.send_keys(Keys.ARROW_RIGHT))
    assert page.text("T-value") == "21"


def test_test_images_are_shown_with_their_label(page: Page) -> None:
    number = page.driver.find_element(By.ID, "sample-number")
    number.clear()
    page.after(lambda: number.send_keys("1"))
    page.wait(lambda: page.text("digit") == "2")
    assert page.text("verdict-text") == "test image of a 2"
    page.after(lambda: page.click("sample"))
    page.wait(lambda: "test image of a" in page.text("verdict-text"))
    page.after(lambda: page.draw(DIGITS[6]))
    page.wait(lambda: page.text("digit") == "6")
    assert page.text("verdict-text") == ""


def test_another_network_can_be_chosen(page: Page) -> None:
    select = Select(page.driver.find_element(By.ID, "model"))
    assert [option.text for option in select.options] == [
        "good/checkpoint_max",
        "silent/checkpoint_max",
    ]
    page.after(lambda: page.draw(DIGITS[8]))
    page.wait(lambda: page.text("digit") == "8")
    page.after(lambda: select.select_by_index(1))
    page.wait(lambda: page.text("digit") == "–")
    assert [page.text("T-value"), page.text("tau-value")] == ["33", "4"]


def test_traces_move_until_one_pauses_them(page: Page) -> None:
    page.after(lambda: page.draw(DIGITS[5]))
    before = page.answers
    page.wait(lambda: page.answers > before, 10)  # another presentation began by itself
    moving = "return document.getElementById('membranes').toDataURL()"
    seen = {page.driver.execute_script(moving) for _ in range(4)}
    assert len(seen) > 1
    page.click("play")
    page.driver.execute_async_script(
        "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
    )
    assert page.driver.execute_script(moving) == page.driver.execute_script(moving)


def test_it_works_with_a_finger_on_a_phone(page: Page, url: str, tmp_path: Path) -> None:
    driver = page.driver
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        phone = Page(driver, url)
        phone.wait_ready()
        phone.after(lambda: phone.draw(DIGITS[2], "touch"))
        phone.wait(lambda: phone.text("digit") == "2")
        width = driver.execute_script("return document.documentElement.scrollWidth")
        assert width <= 390, "nothing sticks out sideways"
        small = driver.execute_script(
            "return [...document.querySelectorAll('button, select')]"
            ".filter(node => node.getBoundingClientRect().height < 40).map(node => node.id)"
        )
        assert small == [], "a finger can hit every button"
        driver.execute_script("window.scrollTo(0, 0)")
        phone.screenshot("playground-phone.png", tmp_path)
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_nothing_moves_if_that_is_what_the_user_wants(url: str, tmp_path: Path) -> None:
    require_browser()
    with chromium(tmp_path / "profile", "--force-prefers-reduced-motion") as driver:
        page = Page(driver, url)
        page.wait_ready()
        assert page.text("play") == "Play"
        page.after(lambda: page.draw(DIGITS[7]))
        page.wait(lambda: page.text("digit") == "7")
        assert page.console() == []


def test_it_speaks_chinese_to_a_chinese_browser(url: str, tmp_path: Path) -> None:
    require_browser()
    with chromium(tmp_path / "profile", "--lang=zh-CN", "--accept-lang=zh-CN") as driver:
        page = Page(driver, url)
        page.wait(lambda: page.text("status") == "就绪")
        assert page.text("clear") == "清除"
        assert driver.find_element(By.TAG_NAME, "html").get_attribute("lang") == "zh"
        assert page.console() == []


def test_it_trains_first_ends_with_ctrl_c_and_comes_back(
    driver: Chrome, mnist_root: Path, tmp_path: Path
) -> None:
    options = ("--data-dir", str(mnist_root), "--cache-dir", str(tmp_path / "cache"))
    with serving(*options, cwd=tmp_path) as (url, program):
        page = Page(driver, url)
        page.wait(lambda: "Training" in page.text("status"))
        share = "return document.querySelector('progress').value"
        page.wait(lambda: 0.1 < float(driver.execute_script(share)) < 1, 60)
        page.draw(DIGITS[1])  # is read as soon as there is a network
        page.wait_ready(120)
        page.wait(lambda: page.text("digit") == "1")
        assert page.console() == []
        assert [file.name for file in (tmp_path / "cache").iterdir()] == ["mnist_T50.pth"]
        program.send_signal(signal.SIGINT)
        assert program.wait(20) == 0
    page.wait(lambda: "Connection lost" in page.text("status"))
    again = ("--port", url.rstrip("/").rpartition(":")[2])
    with serving(*options, *again, cwd=tmp_path):
        page.wait(lambda: page.text("status") == "Ready", 60)
        page.after(lambda: page.click("clear"))
        page.wait(lambda: page.text("digit") == "–")
