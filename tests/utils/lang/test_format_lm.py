"""format_lm.py: the paths of G.fst weigh what the model says."""

import gzip
import math

import kaldifst
import pytest

from tests.utils.lang.kneser_ney import made_text
from utils.lang.arpa import ArpaModel
from utils.lang.format_lm import main
from utils.lang.langdir import read_symbols
from utils.lang.train_ngram import main as train
from utils.step import UserError


@pytest.fixture
def lang(tmp_path):
    """A lang directory of w0 ... w119, whatever the model knows besides."""
    path = tmp_path / "lang"
    (path / "phones").mkdir(parents=True)
    words = ["<eps>", *(f"w{i}" for i in range(120)), "unsaid", "#0", "<s>", "</s>"]
    (path / "words.txt").write_text("".join(f"{word} {i}\n" for i, word in enumerate(words)))
    (path / "phones/silence.txt").write_text("SIL\n")
    (path / "oov.txt").write_text("unsaid\n")
    (path / "G.fst").write_text("an older one")
    (path / ".done").write_text("{}")
    return path


@pytest.fixture
def arpa(tmp_path):
    text = "".join(" ".join(words) + "\n" for words in made_text(300))
    (tmp_path / "text").write_text(text)
    train(["--order", "3", str(tmp_path / "text"), str(tmp_path / "3.arpa")])
    return tmp_path / "3.arpa"


def arcs_of(fst):
    """For each state {ilabel: (olabel, cost, next state)}; every label once, or it is an error."""
    result = []
    for state in range(fst.num_states):
        arcs = {}
        for arc in kaldifst.ArcIterator(fst, state):
            assert arc.ilabel not in arcs
            arcs[arc.ilabel] = (arc.olabel, arc.weight.value, arc.nextstate)
        result.append(arcs)
    return result


def path_cost(fst, arcs, words, backoff):
    """Cost of a sentence, and of its end, backing off only where the word is not listed."""
    state, total = fst.start, 0.0
    for word in words:
        while word not in arcs[state]:
            olabel, cost, state = arcs[state][backoff]
            assert olabel == 0
            total += cost
        olabel, cost, state = arcs[state][word]
        assert olabel == word
        total += cost
    while math.isinf(fst.final(state).value):
        _, cost, state = arcs[state][backoff]
        total += cost
    return total + fst.final(state).value


@pytest.mark.parametrize("packed", [False, True])
def test_paths_weigh_what_the_model_says(lang, arpa, tmp_path, packed):
    if packed:
        arpa.with_suffix(".arpa.gz").write_bytes(gzip.compress(arpa.read_bytes()))
        arpa = arpa.with_suffix(".arpa.gz")
    out = tmp_path / "lang_test"
    assert main([str(lang), str(arpa), str(out)]) == 0
    grammar = kaldifst.StdVectorFst.read(str(out / "G.fst"))
    assert grammar.is_ilabel_sorted
    ids = read_symbols(out / "words.txt")
    arcs = arcs_of(grammar)
    labels = {label for table in arcs for label in table}
    assert ids["#0"] in labels and not labels & {0, ids["<s>"], ids["</s>"], ids["unsaid"]}
    model = ArpaModel.read(out / "lm.arpa.gz")
    tried = 0
    for sentence in [*made_text(60, seed=3), [], ["w1"]]:
        if not all(word in ids and word in model.ids for word in sentence):
            continue
        padded = ["<s>", *sentence, "</s>"]
        score = sum(model.score(tuple(padded[:i]), padded[i]) for i in range(1, len(padded)))
        cost = path_cost(grammar, arcs, [ids[word] for word in sentence], ids["#0"])
        assert cost == pytest.approx(-score * math.log(10), rel=1e-4, abs=1e-3)
        tried += 1
    assert tried > 10


def test_files_of_other_hands_give_the_same_grammar(lang, arpa, tmp_path):
    """kaldilm ends the process at -inf, at weights of the longest n-grams, at a space before a \\,
    and takes a CR for a part of the word."""
    main([str(lang), str(arpa), str(tmp_path / "out")])
    expected = (tmp_path / "out/G.fst").read_bytes()
    text = arpa.read_text()
    head, longest = text.split("\\3-grams:\n")
    weighted = "".join(f"{line}\t0\n" if line.count("\t") == 1 else f"{line}\n"
                       for line in longest.splitlines())
    for name, other in {"crlf": text.replace("\n", "\r\n"), "bom": "\ufeff" + text,
                        "weights": f"{head}\\3-grams:\n{weighted}",
                        "infinite": text.replace("\n-99.0\t<s>", "\n-inf\t<s>"),
                        "comment": "ngram 3=none\n" + text,
                        "indented": text.replace("\n\\", "\n  \\")}.items():
        assert other != text, name
        (tmp_path / f"{name}.arpa").write_bytes(other.encode())
        main([str(lang), str(tmp_path / f"{name}.arpa"), str(tmp_path / "out")])
        assert (tmp_path / "out/G.fst").read_bytes() == expected, name


def test_copies_reports_and_runs_once(lang, arpa, tmp_path, capfd):
    out = tmp_path / "lang_test"
    capfd.readouterr()
    main([str(lang), str(arpa), str(out)])
    messages = capfd.readouterr().err
    model, ids = ArpaModel.read(arpa), read_symbols(lang / "words.txt")
    lost = sum(any(model.words[i] not in ids for i in row)
               for order in (1, 2, 3) for row in model.ngrams(order))
    assert f"{lost} n-grams dropped" in messages
    assert "never recognised: " in messages
    assert "probabilities sum to 0." in messages and "[I]" not in messages
    for name in ("words.txt", "phones/silence.txt", "oov.txt"):
        assert (out / name).read_bytes() == (lang / name).read_bytes()
    assert gzip.decompress((out / "lm.arpa.gz").read_bytes()) == arpa.read_bytes()
    main([str(lang), str(arpa), str(out)])
    assert "up to date" in capfd.readouterr().err
    (lang / "phones/silence.txt").rename(lang / "phones/other.txt")
    main([str(lang), str(arpa), str(out)])
    assert [path.name for path in (out / "phones").iterdir()] == ["other.txt"]


def test_another_model_in_the_same_directory(lang, arpa, tmp_path):
    test = tmp_path / "lang_test"
    main([str(lang), str(arpa), str(test)])
    files = {path.relative_to(test) for path in test.rglob("*") if path.name != ".done"}
    before = (test / "G.fst").read_bytes()
    train(["--order", "2", str(tmp_path / "text"), str(tmp_path / "2.arpa")])
    main([str(test), str(tmp_path / "2.arpa"), str(test)])
    assert (test / "G.fst").read_bytes() != before
    assert {path.relative_to(test) for path in test.rglob("*") if path.name != ".done"} == files
    assert (test / "words.txt").read_bytes() == (lang / "words.txt").read_bytes()


def test_nothing_is_lost_where_the_words_are_the_same(lang, arpa, tmp_path, capfd):
    words = ["<eps>", *sorted(ArpaModel.read(arpa).words), "#0"]
    (lang / "words.txt").write_text("".join(f"{word} {i}\n" for i, word in enumerate(words)))
    main([str(lang), str(arpa), str(tmp_path / "out")])
    messages = capfd.readouterr().err
    assert "sum to 1.00000 at least, 1.00000 at most" in messages and "dropped" not in messages


def test_mistakes_are_named_and_leave_nothing(lang, arpa, tmp_path):
    out = tmp_path / "out"

    def fails(message):
        with pytest.raises(UserError, match=message):
            main([str(lang), str(arpa), str(out)])
        assert not out.exists() or not any(out.iterdir())

    whole = arpa.read_text()
    arpa.write_text(whole.replace("\\end\\", ""))
    fails(r"3.arpa:\d+: the file ends")
    arpa.write_text(whole.replace("\tw1\t", "\t#0\t").replace("\tw1 ", "\t#0 ")
                    .replace(" w1 ", " #0 ").replace(" w1\t", " #0\t").replace(" w1\n", " #0\n"))
    fails("#0 is a word of the model")
    arpa.write_text("\\data\\\nngram 1=1\n\\1-grams:\n-1 a\n\\end\\\n")
    fails("has no <s> or no </s>")
    arpa.unlink()
    fails("3.arpa: no such file")
    arpa.write_text(whole)
    words = (lang / "words.txt").read_text()
    (lang / "words.txt").write_text(words.replace("#0", "#1"))
    fails("words.txt: has no #0")
    with pytest.raises(UserError, match="none: no such lang directory"):
        main([str(tmp_path / "none"), str(arpa), str(out)])
