"""train_ngram.py from the command line."""

import gzip

import pytest

from tests.utils.lang.kneser_ney import made_text
from utils.lang.arpa import ArpaModel
from utils.lang.train_ngram import main
from utils.step import UserError


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text"
    path.write_text("".join(" ".join(sentence) + "\n" for sentence in made_text(100)))
    return path


def run(*args):
    assert main([str(arg) for arg in args]) == 0


def test_trains_once(text, tmp_path, capfd):
    arpa = tmp_path / "lm" / "2gram.arpa.gz"
    run("--order", 2, text, arpa)
    assert ArpaModel.read(arpa).order == 2
    run("--order", 3, text, tmp_path / "lm" / "3gram.arpa")     # a second model beside it
    before = arpa.stat().st_mtime_ns
    capfd.readouterr()
    run("--order", 2, text, arpa)
    assert "up to date" in capfd.readouterr().err
    assert arpa.stat().st_mtime_ns == before
    text.write_text(text.read_text() + "one more\n")
    run("--order", 2, text, arpa)
    assert "more" in ArpaModel.read(arpa).ids


def test_kaldi_text_plain_text_and_gzip_give_the_same(text, tmp_path):
    lines = text.read_text().splitlines()
    (tmp_path / "kaldi").write_text("".join(f"utt{i:03d} {x}\n" for i, x in enumerate(lines)))
    (tmp_path / "an4").write_text("\ufeff" + "".join(f"<s> {line} </s>\r\n\n" for line in lines))
    (tmp_path / "text.gz").write_bytes(gzip.compress(text.read_bytes()))
    run(text, tmp_path / "a.arpa")
    run("--utt-ids", tmp_path / "kaldi", tmp_path / "b.arpa")
    run(tmp_path / "an4", tmp_path / "c.arpa")
    run(tmp_path / "text.gz", tmp_path / "d.arpa")
    results = {(tmp_path / f"{name}.arpa").read_bytes() for name in "abcd"}
    assert len(results) == 1


def test_only_ascii_space_separates_words(tmp_path):
    (tmp_path / "text").write_text("a\u00a0b c\u3000d\te\n", "utf-8")
    run(tmp_path / "text", tmp_path / "arpa")
    model = ArpaModel.read(tmp_path / "arpa")
    assert set(model.words) == {"<unk>", "<s>", "</s>", "a\u00a0b", "c\u3000d", "e"}


def test_vocabulary_of_a_lang_directory(text, tmp_path):
    lang = tmp_path / "lang"
    (lang / "phones").mkdir(parents=True)
    (lang / "words.txt").write_text(
        "<eps> 0\n!SIL 1\n<UNK> 2\nunseen 3\nw0 4\nw1 5\n#0 6\n<s> 7\n</s> 8\n")
    (lang / "oov.txt").write_text("<UNK>\n")
    (lang / "phones/optional_silence.txt").write_text("SIL\n")
    (lang / "phones/align_lexicon.txt").write_text(
        "<eps> <eps> SIL\n!SIL !SIL SIL_S\n<UNK> <UNK> SPN_S\nunseen unseen A_B B_E\n"
        "w0 w0 A_S\nw1 w1 B_S\n")
    expected = {"<s>", "</s>", "<UNK>", "unseen", "w0", "w1"}
    for number, vocab in enumerate([lang, lang / "words.txt"]):
        run("--vocab", vocab, text, tmp_path / f"{number}.arpa")
        model = ArpaModel.read(tmp_path / f"{number}.arpa")
        assert set(model.words) == expected
        assert model.score((), "<UNK>") > model.score((), "unseen") > -5
    (lang / "phones/optional_silence.txt").write_text("SPN_S\n")
    run("--vocab", lang, text, tmp_path / "0.arpa")       # what is never guessed has changed
    assert "!SIL" in ArpaModel.read(tmp_path / "0.arpa").words
    (lang / "phones/optional_silence.txt").write_text("SIL\n")
    run("--vocab", lang, "--oov", "skip", text, tmp_path / "closed.arpa")
    assert set(ArpaModel.read(tmp_path / "closed.arpa").words) == expected - {"<UNK>"}
    (tmp_path / "list").write_text("w0\nw1\nunseen\n")
    run("--vocab", tmp_path / "list", "--oov", "skip", text, tmp_path / "skip.arpa")
    assert set(ArpaModel.read(tmp_path / "skip.arpa").words) == expected - {"<UNK>"}
    run("--vocab", tmp_path / "list", "--unk", "OTHER", text, tmp_path / "other.arpa")
    assert "OTHER" in ArpaModel.read(tmp_path / "other.arpa").ids


def test_rare_words_become_unk(tmp_path):
    (tmp_path / "text").write_text("a b a\na c\n")
    run("--min-counts", "2,2", tmp_path / "text", tmp_path / "arpa")
    assert set(ArpaModel.read(tmp_path / "arpa").words) == {"<unk>", "<s>", "</s>", "a"}


def test_tiny_text_says_what_it_falls_back_to(tmp_path, capfd):
    (tmp_path / "text").write_text("yes\nno\n")
    run("--order", 5, tmp_path / "text", tmp_path / "arpa")
    messages = capfd.readouterr().err
    assert "no sentence is long enough for order 5, so 3" in messages
    assert "; too little text for modified Kneser-Ney" in messages


@pytest.mark.parametrize("content, options, message", [
    (b"", [], "text: has no words"),
    (b"\n \n", [], "text: has no words"),
    (b"u1\nu2\n", ["--utt-ids"], "text: has no words"),
    (b"fine\nb\xe9te\n", [], "text:2:2: byte 0xe9 is not UTF-8"),
    (b"a </s> <s> b\n", [], "text:1: <s> or </s> inside"),
    (b"a b\n", ["--vocab", "{}/none"], "none: no such file"),
    (b"a b\n", ["--vocab", "{}/words"], "no word is in the vocabulary"),
    (b"a b\n", ["--vocab", "{}/pairs"], "pairs: expected one word a line, found 'x y'"),
    (b"a b\n", ["--order", "0"], "--order: must be at least 1"),
    (b"a b\n", ["--min-counts", "2,1"], "--min-counts: 2,1 goes down"),
    (b"a b\n", ["--min-counts", "9"], r"no word is in the vocabulary \(lower --min-counts"),
    (b"a b\n", ["--min-counts", "²"], "--min-counts: expected at most 3 numbers"),
    (b"a b\n", ["--min-counts", "x"], "--min-counts: expected at most 3 numbers"),
])
def test_mistakes_are_named_and_leave_nothing(tmp_path, content, options, message):
    (tmp_path / "text").write_bytes(content)
    (tmp_path / "words").write_text("x\n")
    (tmp_path / "pairs").write_text("x y\n")
    with pytest.raises(UserError, match=message):
        run(*(option.format(tmp_path) for option in options), tmp_path / "text",
            tmp_path / "lm" / "arpa")
    assert not (tmp_path / "lm").exists()
    with pytest.raises(UserError, match="text: is both source and destination"):
        run(tmp_path / "text", tmp_path / "text")
    assert (tmp_path / "text").read_bytes() == content
