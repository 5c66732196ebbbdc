"""The page in a real headless Chromium, on a screen of 360 x 640."""

import copy
import os
import shutil
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import sync_playwright
from tests.daemon.web.hostile import PAYLOADS, HostileRecorder
from tests.daemon.web.plot import answer, incident, status
from tests.daemon.web.served import sample_view, served

from edaphon.web import ControlView, app

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREEN = {"width": 360, "height": 640}
WATCH_CSP = """
window.reports = [];
addEventListener("securitypolicyviolation", (e) => reports.push(e.violatedDirective));
"""

# Every element that carries text of its own and is on the screen or can be scrolled to.
TEXTS = """
() => [...document.body.querySelectorAll("*")].filter((e) =>
  e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
"""
SMALL_TEXTS = f"""
() => ({TEXTS})().filter((e) => parseFloat(getComputedStyle(e).fontSize) < 16)
  .map((e) => e.outerHTML)
"""
SMALL_TARGETS = """
() => [...document.querySelectorAll("a, button, input, select, summary")]
  .filter((e) => e.checkVisibility()).map((e) => [e.textContent, e.getBoundingClientRect()])
  .filter(([_, r]) => r.width < 48 || r.height < 48).map(([text, r]) => [text, r.width, r.height])
"""
# Contrast as WCAG 2.2 defines it, against the next opaque background upwards.
FAINT_TEXTS = f"""
() => {{
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => rgb(text).slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {{
    const color = getComputedStyle(e).backgroundColor;
    return rgb(color)[3] !== 0 ? color : ground(e.parentElement);
  }};
  const contrast = (e) => {{
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }};
  return ({TEXTS})().filter((e) => contrast(e) < 4.5).map((e) => [e.textContent, contrast(e)]);
}}
"""


@dataclass
class Seen:
    """What a browser noticed while it showed a page."""

    page: object
    requests: list = field(default_factory=list)
    config_errors: list = field(default_factory=list)
    dialogs: list = field(default_factory=list)

    def reports(self):
        return self.page.evaluate("window.reports")


@pytest.fixture(scope="module")
def browser():
    if not (chromium := shutil.which("chromium")):
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is not installed: apt install chromium")
        pytest.skip("chromium is not installed: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def phone(browser):
    """Opens a URL on a fresh phone that notes everything suspicious."""
    contexts = []

    def show(url, scripts=True):
        context = browser.new_context(viewport=SCREEN, has_touch=True, java_script_enabled=scripts)
        contexts.append(context)
        seen = Seen(context.new_page())
        seen.page.add_init_script(WATCH_CSP)
        seen.page.on("request", lambda r: seen.requests.append(r.url))
        seen.page.on("console", lambda m: seen.config_errors.append(m.text))
        seen.page.on("pageerror", lambda e: seen.config_errors.append(str(e)))
        seen.page.on("dialog", lambda d: (seen.dialogs.append(d.message), d.dismiss()))
        seen.page.goto(url)
        return seen

    yield show
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def url():
    with served(sample_view()) as port:
        yield f"http://127.0.0.1:{port}/"


def open_all(page):
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")


def width(page):
    return page.evaluate("document.scrollingElement.scrollWidth")


def test_nothing_comes_from_elsewhere_and_nothing_is_complained_of(phone, url):
    seen = phone(url)
    assert sorted(seen.requests) == [
        url,
        f"{url}icon.svg",
        f"{url}page.css",
        f"{url}page.js",
    ] or sorted(seen.requests) == [url, f"{url}page.css", f"{url}page.js"]
    assert (seen.config_errors, seen.reports(), seen.dialogs) == ([], [], [])
    assert seen.page.context.cookies() == []


def test_the_page_fits_the_width_also_with_every_table_open(phone, url):
    page = phone(url).page
    assert width(page) == 360
    open_all(page)
    assert width(page) == 360
    cut = page.evaluate(
        "() => [...document.querySelectorAll('.wide')]"
        ".filter((e) => e.scrollWidth > e.clientWidth).length"
    )
    assert cut == 0


def test_every_text_is_large_and_dark_enough(phone, url):
    page = phone(url).page
    open_all(page)
    assert page.evaluate(f"({TEXTS})().length") > 300
    assert page.evaluate(SMALL_TEXTS) == []
    assert page.evaluate(FAINT_TEXTS) == []


def test_every_target_is_large_enough_for_a_glove(phone, url):
    page = phone(url).page
    assert page.locator("summary").count() == 10
    assert page.evaluate(SMALL_TARGETS) == []


def test_the_first_screen_says_what_is_wrong_where_and_how_it_records(phone, url):
    page = phone(url).page
    for text in (
        "Source sdi12/c has been silent",
        "Waldhof, spruce",
        "12:00 UTC",
        "recording 3 of 4 sources",
        "clock set by network time",
        "Profile A, plot P1",
    ):
        box = page.get_by_text(text).first.bounding_box()
        assert box["y"] >= 0, text
        assert box["y"] + box["height"] <= 588, text  # above the bar at the foot


def test_a_cell_shows_value_unit_flag_age_and_line(phone, url):
    page = phone(url).page
    cell = page.locator(".cell", has_text="Water content").first
    assert "± 0.030 m³/m³" in cell.inner_text()
    assert "passed" in cell.inner_text()
    assert "just now, at 13:00" in cell.inner_text()
    box = cell.locator("svg.line").bounding_box()
    assert box["width"] >= 250
    assert box["height"] >= 50
    assert cell.get_by_role("img").get_attribute("aria-label").startswith("Last 24 hours: 0.")


def test_a_tap_opens_the_table_twin_and_the_bar_leads_to_the_sinks(phone, url):
    page = phone(url).page
    table = page.locator("details table").first
    assert not table.is_visible()
    page.locator("summary").first.tap()
    assert table.is_visible()
    assert table.locator("tbody tr").count() == 25
    page.get_by_role("link", name="Upload").tap()
    assert page.get_by_role("heading", name="What goes out").bounding_box()["y"] < 60


def test_the_page_works_and_refreshes_without_scripts(phone, url):
    page = phone(url, scripts=False).page
    assert page.locator("meta[http-equiv=refresh]").get_attribute("content") == "30"
    page.locator("summary").first.tap()
    assert page.locator("details table").first.is_visible()


def test_a_refresh_brings_news_and_keeps_the_place_and_the_open_table(phone):
    reported = copy.deepcopy(status())
    with served(ControlView(lambda q: reported if q["verb"] == "status" else answer(q))) as port:
        page = phone(f"http://127.0.0.1:{port}/").page
        page.locator("#c3 > summary").tap()
        place = page.evaluate("scrollY")
        reported["site"]["name"] = "Another wood"
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.get_by_text("Another wood").wait_for()
        assert page.locator("details[open]").evaluate_all("e => e.map((d) => d.id)") == ["c3"]
        assert page.evaluate("document.activeElement.parentElement.id") == "c3"
        assert place > 0
        assert page.evaluate("scrollY") == place


def test_a_phone_that_has_lost_the_page_says_that_it_shows_old_things(phone):
    with served(sample_view()) as port:
        page = phone(f"http://127.0.0.1:{port}/").page
        assert not page.locator("#lost").is_visible()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_text("what you see is old").wait_for()


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_hostile_names_run_nothing_and_break_nothing(phone, first):
    recorder = HostileRecorder()
    with served(ControlView(recorder.answer)) as port:
        url = f"http://127.0.0.1:{port}/"
        seen = phone(url)
        for payload in PAYLOADS[first : first + 10]:
            recorder.payload = payload
            seen.page.goto(url)
            open_all(seen.page)
            assert (width(seen.page), seen.reports()) == (360, []), payload
        assert (seen.config_errors, seen.dialogs) == ([], [])
        assert all(request.startswith(url) for request in seen.requests)


def test_a_page_that_did_not_escape_would_be_caught(phone, monkeypatch):
    templates = app._templates

    def careless():
        environment = templates()
        environment.autoescape = False
        return environment

    monkeypatch.setattr(app, "_templates", careless)
    recorder = HostileRecorder("<img src=x onerror=alert(3)>")
    with served(ControlView(recorder.answer)) as port:
        seen = phone(f"http://127.0.0.1:{port}/")
        seen.page.wait_for_function("window.reports.length > 0")
    assert seen.dialogs == []  # the policy is the second wall


def test_a_silent_recorder_is_said_on_the_first_screen(phone):
    def nobody(question):
        raise ConnectionRefusedError("no socket /run/edaphon/control.sock")

    with served(ControlView(nobody)) as port:
        page = phone(f"http://127.0.0.1:{port}/").page
        alert = page.get_by_role("alert")
        assert "systemctl status edaphon" in alert.inner_text()
        assert alert.bounding_box()["y"] == 0
        assert page.evaluate(SMALL_TEXTS) == []


def test_an_incident_is_the_first_thing_on_a_narrow_screen_and_opens_without_scripts(browser):
    def reported(question):
        found = answer(question)
        return {**found, "incidents": [incident()]} if question["verb"] == "status" else found

    context = browser.new_context(viewport=SCREEN, java_script_enabled=False)
    try:
        with served(ControlView(reported)) as port:
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{port}/")
            box = page.locator("#incidents").bounding_box()
            assert box["x"] == 0
            assert box["y"] < 16
            assert box["width"] == SCREEN["width"]
            page.get_by_text("What to do, and what hangs on it").click()
            page.get_by_text("edaphon alert ack 17").wait_for()
            ends = page.locator("#incidents .card").bounding_box()
            assert ends["x"] + ends["width"] <= SCREEN["width"]
    finally:
        context.close()
