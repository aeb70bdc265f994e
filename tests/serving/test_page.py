"""The page in a real browser: by keyboard, on a phone, in light and dark, and from this server alone."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.cases import HEADER

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no browser: apt-get install chromium chromium-driver"),
]

Open = Callable[..., Any]
WAIT_S = 30
FOUND: dict[tuple[str, str], str] = {}
"""Texts that come out with a status on an example, once one was found."""
# The smallest contrast of any text with what lies behind it, as WCAG measures it.
LEAST_CONTRAST = """
const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const numbers = css => css.match(/[\\d.]+/g).map(Number);
function behind(e) {
  const colour = numbers(getComputedStyle(e).backgroundColor);
  return colour.length < 4 || colour[3] ? colour : behind(e.parentElement);
}
let least = 99;
for (const e of document.querySelectorAll("main *, header *")) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.getClientRects().length || e.disabled) continue;
  const style = getComputedStyle(e), svg = e instanceof SVGElement;
  if (svg && e.tagName !== "text") continue;
  const [a, b] = [light(numbers(svg ? style.fill : style.color)), light(behind(svg ? e.closest("section") : e))];
  least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
}
return least;
"""


@pytest.fixture
def browser(server: str) -> Iterator[Open]:
    opened = []

    def start(width: int = 1280, height: int = 900, dark: bool = False) -> Any:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        opened.append(driver)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        driver.get(server)
        # the units come from the catalogue: the page has talked to the server
        WebDriverWait(driver, WAIT_S).until(lambda d: len(d.find_elements(By.CSS_SELECTOR, "#unit option")) > 1)
        return driver

    yield start
    for driver in opened:
        problems = [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        urls = [
            message["params"]["request"]["url"]
            for message in (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
            if message["method"] == "Network.requestWillBeSent"
        ]
        driver.quit()
        assert not problems
        assert all(url.startswith((server, "data:")) for url in urls), urls


def plan(driver: Any, text: str, example: str = "") -> dict[str, Any]:
    """Ask by mouse, and give the plan the page shows as JSON."""
    box = driver.find_element(By.ID, "text")
    box.clear()
    box.send_keys(text)
    Select(driver.find_element(By.ID, "example")).select_by_value(example)
    driver.find_element(By.ID, "go").click()
    return shown(driver)


def shown(driver: Any) -> dict[str, Any]:
    def done(d: Any) -> bool:
        return bool(d.find_element(By.ID, "card").is_displayed() and d.find_element(By.ID, "go").is_enabled())

    WebDriverWait(driver, WAIT_S).until(done)
    content: dict[str, Any] = json.loads(driver.find_element(By.ID, "json").text)
    return content


def of_some_text(driver: Any, status: str, example: str) -> dict[str, Any]:
    """Plan texts until one comes out with this status; the planner is random, but the same for all tests here."""
    known = FOUND.get((status, example))
    for text in [f"sharpen photo {number}" for number in range(40)] if known is None else [known]:
        answer = plan(driver, text, example)
        if answer["status"] == status:
            FOUND[status, example] = text
            return answer
    raise AssertionError(f"no text is {status}")


def test_the_plan_is_drawn_in_its_place_on_the_timeline(browser: Open) -> None:
    driver = browser()
    answer = of_some_text(driver, "wait", "later")
    blocks = driver.find_elements(By.CSS_SELECTOR, "svg .block")
    assert len(blocks) == 4
    titles = [block.find_element(By.TAG_NAME, "title").get_attribute("textContent") for block in blocks]
    assert titles[0].startswith(f"{answer['resource_config']['cpu_core']} from ")
    axis = driver.find_element(By.CSS_SELECTOR, "svg path.axis").rect
    frees = driver.find_elements(By.CSS_SELECTOR, "svg path.free")
    place = {name: float(blocks[0].get_attribute(name)) for name in ("x", "width")}
    # the axis begins at 8 and is scaled so that the end of the plan lies on it
    scale = place["width"] / answer["expected_latency_ms"]
    assert place["x"] - 8 == pytest.approx(answer["start_ms"] * scale, rel=0.01)
    for block, free in zip(blocks, frees, strict=True):
        assert block.rect["y"] >= free.rect["y"] - 1  # under what is free
    assert axis["width"] > 500
    label = driver.find_element(By.CSS_SELECTOR, "svg").get_attribute("aria-label")
    assert answer["tool_name"] in label
    assert driver.find_element(By.ID, "status").text == "wait: starts later"


def test_an_alternative_is_shown_beside_the_plan(browser: Open) -> None:
    driver = browser()
    answer = of_some_text(driver, "ready", "")
    rows = driver.find_elements(By.CSS_SELECTOR, "#rows tr")
    assert 1 <= len(rows) <= 5
    assert f"#{answer['config_id']}" not in [row.text.split()[0] for row in rows]
    button = rows[0].find_element(By.TAG_NAME, "button")
    button.click()
    assert len(driver.find_elements(By.CSS_SELECTOR, "svg .ghost")) == 4
    button.click()
    assert not driver.find_elements(By.CSS_SELECTOR, "svg .ghost")


def test_what_does_not_fit_says_why_and_draws_no_plan(browser: Open) -> None:
    driver = browser()
    answer = of_some_text(driver, "infeasible", "little")
    assert answer["explanation"] in driver.find_element(By.ID, "words").text
    assert not driver.find_elements(By.CSS_SELECTOR, "svg .block")
    assert not driver.find_element(By.ID, "others").is_displayed()
    assert driver.find_elements(By.CSS_SELECTOR, "svg .free")


def test_everything_is_reached_by_keyboard(browser: Open) -> None:
    driver = browser()
    assert driver.switch_to.active_element.get_attribute("id") == "text"
    seen, keys = ["text"], webdriver.ActionChains(driver)
    keys.send_keys("sharpen 3 photos").perform()
    for _ in range(10):
        webdriver.ActionChains(driver).send_keys(Keys.TAB).perform()
        seen.append(driver.switch_to.active_element.get_attribute("id"))
        outline = driver.execute_script("return getComputedStyle(document.activeElement).outlineWidth")
        assert outline == "3px"
        if seen[-1] == "go":
            break
    assert seen == ["text", "size", "amount", "unit", "example", "csv", "pick", "t-inf", "explain", "go"]
    webdriver.ActionChains(driver).send_keys(Keys.ENTER).perform()
    shown(driver)
    driver.find_element(By.ID, "text").send_keys(" again")
    webdriver.ActionChains(driver).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    assert shown(driver)["status"]


def test_size_amount_start_and_a_file_reach_the_server(browser: Open, tmp_path: Path) -> None:
    driver = browser()
    csv = tmp_path / "busy.csv"
    csv.write_text(f"{HEADER}\n0,16,64,100,24\n")
    driver.find_element(By.ID, "file").send_keys(str(csv))
    WebDriverWait(driver, WAIT_S).until(
        lambda d: d.find_element(By.ID, "csv").get_attribute("value") == csv.read_text()
    )
    Select(driver.find_element(By.ID, "size")).select_by_visible_text("large")
    driver.find_element(By.ID, "t-inf").send_keys("1234")
    driver.find_element(By.ID, "amount").send_keys("3")
    driver.find_element(By.ID, "text").send_keys("sharpen photo 1")
    driver.find_element(By.ID, "go").click()
    assert driver.find_element(By.ID, "alert").text == "Say what the amount counts."
    Select(driver.find_element(By.ID, "unit")).select_by_value("images")
    driver.find_element(By.ID, "go").click()
    answer = shown(driver)
    assert answer["status"] == "no_tool" or (answer["input_size"], answer["start_ms"]) == ("large", 1234)


def test_a_broken_timeline_is_one_line_and_the_page_goes_on(browser: Open) -> None:
    driver = browser()
    driver.find_element(By.ID, "csv").send_keys("time_ms,cpu_cores\n0,1")
    driver.find_element(By.ID, "text").send_keys("x")
    driver.find_element(By.ID, "go").click()
    WebDriverWait(driver, WAIT_S).until(lambda d: d.find_element(By.ID, "alert").is_displayed())
    assert "lacks the columns" in driver.find_element(By.ID, "alert").text
    plan(driver, "x")
    assert not driver.find_element(By.ID, "alert").is_displayed()
    driver.get_log("browser")  # the 422 that was asked for


def test_words_are_shown_as_words(browser: Open) -> None:
    driver = browser()
    plan(driver, "<img src=x onerror=document.title='bad'><b>bold</b>")
    assert driver.title == "TOMAS: plan a request"
    assert not driver.find_elements(By.CSS_SELECTOR, "#result img, #result b")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_nothing_is_cut_off_or_hard_to_read(browser: Open, width: int, dark: bool) -> None:
    driver = browser(width, 800, dark)
    of_some_text(driver, "ready", "bursts")
    driver.find_element(By.CSS_SELECTOR, "#rows button").click()
    assert not driver.execute_script("const e = document.documentElement; return e.scrollWidth - e.clientWidth")
    assert driver.execute_script(LEAST_CONTRAST) >= 4.5
    colour = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (int(colour[4:].split(",")[0]) < 128) == dark


def test_the_plan_is_copied(browser: Open, server: str) -> None:
    driver = browser()
    driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"origin": server, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    answer = plan(driver, "sharpen it")
    driver.find_element(By.ID, "copy").click()
    WebDriverWait(driver, WAIT_S).until(lambda d: d.find_element(By.ID, "copy").text != "Copy")
    copied = driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[0], e => arguments[0](String(e)))"
    )
    assert json.loads(copied) == answer
