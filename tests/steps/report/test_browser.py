"""The page as a reader sees it, in a real browser."""

from itertools import pairwise

import pytest
from matplotlib.image import imread

from steps.report.make_report import main
from tests.steps.report.browser import CHROMIUM, Browser

WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def page(recipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "a report.html"
    main([recipe.exp, path])
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_renders_whole_and_without_complaint(browser, page, width, dark, tmp_path):
    browser.open(page, width, dark)
    assert browser.value("[...document.querySelectorAll('h2')].map(h => h.textContent)") == [
        "Word errors", "Where the errors are", "Words taken for others", "Listen and read",
        "How much speech is needed", "Size, speed and errors", "Training", "What was run"]
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.complaints() == []
    assert browser.requests() == [page.resolve().as_uri()]
    # The policy let the style in: the background is the page's own.
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(21, 24, 28)" if dark else "rgb(251, 250, 247)")
    browser.screenshot(tmp_path / "page.png", (0, 0, width, 2000))
    picture = imread(tmp_path / "page.png")[..., :3]
    edge, middle = picture[:, 3], picture[:, 20:-20]
    assert (edge * 255).round().tolist() == [[21, 24, 28] if dark else [251, 250, 247]] * 2000
    assert middle.std() > 0.05   # something is drawn


def test_hostile_words_are_words(browser, page):
    browser.open(page)
    assert browser.value("document.scripts.length") == 0
    assert browser.value("[...document.images].every(i => i.naturalWidth == 60 && i.alt)")
    assert browser.value("document.body.innerText.includes('<script>alert(1)</script>')")


def test_pictures_and_sound_are_whole(browser, page):
    browser.open(page)
    assert browser.value("""Promise.all([...document.querySelectorAll('svg image')].map(i => {
        const image = new Image(); image.src = i.getAttribute('href');
        return image.decode().then(() => image.height) }))""") == [80] * 12
    lengths = browser.value("""Promise.all([...document.querySelectorAll('audio')].map(a =>
        new Promise(done => { a.onloadedmetadata = () => done(a.duration);
                              a.onerror = () => done(-1); a.preload = 'auto'; a.load() })))""")
    assert len(lengths) == 12 and all(1.9 < length < 2.3 for length in lengths)


def test_it_can_be_read_without_eyes_and_by_keyboard(browser, page):
    browser.open(page)
    # Headings go down by one level at most.
    levels = browser.value("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert browser.value("""[...document.querySelectorAll('svg')].filter(s =>
        !(s.getAttribute('role') == 'img' && s.getAttribute('aria-label'))
        && s.getAttribute('aria-hidden') != 'true').length""") == 0
    # What scrolls on its own can be reached.
    assert browser.value("""[...document.querySelectorAll('*')].filter(e =>
        ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.tabIndex != 0
        ).length""") == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_letters_stand_out(browser, page, dark):
    """Contrast of every text with what is behind it, at least 4.5 as WCAG 2 asks (AA)."""
    browser.open(page, dark=dark)
    assert browser.value("""(() => {
        const rgb = c => c.match(/[0-9.]+/g).map(Number);
        const light = c => c.slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = e => { for (; e; e = e.parentElement) {
            const c = rgb(getComputedStyle(e).backgroundColor);
            if (c.length < 4 || c[3] > 0) return c } };
        const faint = new Set();
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walk.nextNode()) {
            const e = walk.currentNode.parentElement;
            if (!walk.currentNode.textContent.trim() || e.tagName == 'title') continue;
            const style = getComputedStyle(e);
            const a = light(rgb(e instanceof SVGElement ? style.fill : style.color));
            const b = light(behind(e));
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5) faint.add(e.tagName + '.' + (e.getAttribute('class') || '')
                                          + ' ' + contrast.toFixed(2));
        }
        return [...faint] })()""") == []

