import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from steps.decode import lattice_to_ctm
from steps.report.make_report import main
from steps.report.size import PICTURES
from steps.score import score
from tests.steps.report.conftest import EVIL, write_log
from utils.step import UserError

TAGS = ("html head meta link title style body header main footer nav section article h1 h2 h3 h4 "
        "p ul ol li a strong span div table thead tbody tr th td details summary dl dt dd "
        "pre figure figcaption audio del ins bdi svg line circle path rect polyline text image g "
        "img wbr")
VOID = {"meta", "link", "img", "wbr"}


class Page(HTMLParser):
    """A page's elements; open tells that they nest."""

    def __init__(self, path):
        super().__init__()
        self.found, self.open, self.texts, self.ids = [], [], [], []
        self.text = path.read_text("utf-8")
        self.feed(self.text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self.ids += [value for key, value in attributes if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="session")
def made(recipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert main(["--title", "<script>title", recipe.exp, path]) == 0
    return path


def test_every_section_is_there(made):
    page = Page(made)
    assert [a["id"] for a in page.all("section")] == [
        "errors", "who", "confusions", "listen", "curve", "size", "training", "ran"]
    assert {a["href"][1:] for a in page.all("a")} == {a["id"] for a in page.all("section")}
    assert len(page.ids) == len(set(page.ids))
    text = " ".join("".join(page.texts).split())
    assert "4 systems on 2 test sets, 60 words of 5 speakers" in text
    assert "all the rest" in text and "1 h 4 min" in text
    assert "tdnn, 2 seeds ◂" in text
    assert "<int8> 260000 9.10" in " ".join(page.texts)
    assert "bars go from the best to the worst seed" in text


def test_nothing_of_the_data_becomes_markup(made, recipe):
    page = Page(made)
    assert {tag for tag, _ in page.found} <= set(TAGS.split())
    for tag, attributes in page.found:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "href"):
            assert re.match(r"#[a-z]+$|data:(audio/mpeg|audio/wav|image/png);base64,[\w+/=]+$"
                            r"|data:,$", attributes.get(name, "#a")), (tag, attributes)
    text = "".join(page.texts)
    for word in EVIL:
        assert word in text
    assert "<script" not in page.text and page.text.count("<img") == len(PICTURES)
    assert "<i>eve" in text and "data <x>" in text and "<u>GMM" in text


def test_the_style_is_the_one_that_the_policy_allows(made):
    text = made.read_text("utf-8")
    style = re.search("<style>(.*?)</style>", text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src &#x27;sha256-{digest}&#x27;" in text
    assert "url(" not in style and "@import" not in style


def test_counts_are_those_of_the_scoring(made, recipe):
    """mono of fr knows words 1 to 3 of 4, by n, and says a wrong one more for n = 1."""
    text = " ".join(" ".join(Page(made).texts).split())
    # 3 speakers: n = 0 one of 4 words; n = 1 two of 4 and a wrong one; n = 2 three of 4.
    errors = int((recipe.exp / "fr/mono/decode_test/best_wer").read_text().split()[3])
    assert errors == 3 * (3 + 2 + 1)
    assert f"mono {100 * errors / 36:.2f}" in text
    assert "fr: 9 utterances, 36 words, 3 speakers" in text


def test_sound_and_pictures_of_as_many_utterances_as_asked(recipe, tmp_path):
    for count, expected in ((4, 4), (1, 4), (0, 0)):   # at least the worst and a typical one a set
        main(["--utts", str(count), recipe.exp, tmp_path / "r.html"])
        page = Page(tmp_path / "r.html")
        assert len(page.all("audio")) == len(page.all("image")) == expected
        assert ("listen" in page.ids) == bool(expected)
    assert (tmp_path / "r.html").stat().st_size < 200_000


def test_a_second_run_does_nothing_until_something_changes(recipe, tmp_path, capsys):
    shutil.copytree(recipe.root, tmp_path / "copy")
    exp, page = tmp_path / "copy/exp", tmp_path / "copy/exp/report.html"
    other = tmp_path / "copy/exp/other.html"
    command = ["--utts", "0", exp]
    main([*command, page])
    main([*command, other])
    stamp = page.stat().st_mtime_ns
    main([*command, page])
    assert page.stat().st_mtime_ns == stamp and other.is_file()
    write_log(exp / "fr/tdnn/0", 5)
    capsys.readouterr()
    main([*command, page])
    assert "up to date" not in capsys.readouterr().err and "5 epochs" in page.read_text()


def test_of_what_was_not_run_the_page_says_so(tmp_path):
    (tmp_path / "exp").mkdir()
    main([tmp_path / "exp", tmp_path / "exp/report.html"])
    page = Page(tmp_path / "exp/report.html")
    assert [a["id"] for a in page.all("section")] == ["missing"]
    assert len(page.all("li")) == 1 + 8   # contents, and a sentence for each section
    write_log(tmp_path / "exp/nnet", 2)
    main([tmp_path / "exp", tmp_path / "exp/report.html"])
    page = Page(tmp_path / "exp/report.html")
    assert [a["id"] for a in page.all("section")] == ["training", "ran", "missing"]


def test_without_sound_or_model_there_are_still_words(recipe, tmp_path):
    shutil.copytree(recipe.root, tmp_path / "copy")
    for path in (tmp_path / "copy/data").rglob("*.wav"):
        path.unlink()
    for path in (tmp_path / "copy/exp").rglob(".done"):   # which name the data directories
        path.write_text(path.read_text().replace(str(recipe.root), str(tmp_path / "copy")))
    for path in (tmp_path / "copy/data").rglob("wav.scp"):
        path.write_text(path.read_text().replace(str(recipe.root), str(tmp_path / "copy")))
    main([tmp_path / "copy/exp", tmp_path / "r.html"])
    page = Page(tmp_path / "r.html")
    assert not page.all("audio") and len(page.all("article")) == 12
    assert "No sound: " in "".join(page.texts) and "No word times: " in "".join(page.texts)


def test_only_the_development_set_was_scored(recipe, tmp_path):
    shutil.copytree(recipe.exp / "fr/mono/decode_dev", tmp_path / "exp/mono/decode_dev")
    main([tmp_path / "exp", tmp_path / "r.html"])
    text = " ".join(Page(tmp_path / "r.html").texts)
    assert "1 system on one test set" in text and "on the test set itself" in text


def test_mistakes_are_named(recipe, tmp_path):
    with pytest.raises(UserError, match="nowhere: no such directory"):
        main([tmp_path / "nowhere", tmp_path / "r.html"])
    with pytest.raises(UserError, match="--utts"):
        main(["--utts", "-1", recipe.exp, tmp_path / "r.html"])
    (tmp_path / "exp").mkdir()
    for name in ("stages.tsv", "table"):
        (tmp_path / "exp" / name).write_text("system  %WER\na       1.00\n")
        with pytest.raises(UserError, match=f"{name}: is both source and destination"):
            main([tmp_path / "exp", tmp_path / "exp" / name])
        assert (tmp_path / "exp" / name).read_text().startswith("system")
    broken = tmp_path / "exp/mono/decode_test/scoring"
    broken.mkdir(parents=True)
    (broken / "summary.json").write_text("{")
    with pytest.raises(UserError, match=r"decode_test/scoring/summary\.json: is damaged"):
        main([tmp_path / "exp", tmp_path / "r.html"])
    assert not (tmp_path / "r.html").exists()


def test_words_stand_where_they_were_said(system, tmp_path):
    """A real system of the tiny corpus: word times of the page against those of its CTM."""
    shutil.copytree(system.mono, tmp_path / "exp/mono", ignore=shutil.ignore_patterns(".done"))
    decode = tmp_path / "exp/mono/decode"
    score.main(["--nj", "1", system.test, tmp_path / "exp/mono/graph", decode])
    main(["--utts", "2", tmp_path / "exp", tmp_path / "r.html"])
    summary = json.loads((decode / "scoring/summary.json").read_text())
    lattice_to_ctm.main(["--lmwt", summary["lmwt"], "--wip", summary["wip"], system.test,
                         tmp_path / "exp/mono/graph", decode])
    times = {}
    for line in (decode / "ctm").read_text().splitlines():
        utt, _, start, length, word, confidence = line.split()
        times.setdefault(utt, []).append(
            f"{word}, {float(start):.2f} to {float(start) + float(length):.2f} s, "
            f"confidence {float(confidence):.2f}")
    page = Page(tmp_path / "r.html")
    assert "No word times" not in "".join(page.texts)
    shown = [a["aria-label"].split(":")[0].removeprefix("Spectrogram of ")
             for a in page.all("svg") if a.get("class") == "spectrogram"]
    assert len(shown) == 2
    expected = [title for utt in shown for title in times[utt]]
    assert expected == re.findall(r"<title>(.*?)</title>", page.text)[1:]
