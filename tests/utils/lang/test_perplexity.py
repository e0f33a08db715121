"""perplexity.py from the command line, against sums over score()."""

import pytest

from tests.utils.lang.kneser_ney import made_text
from utils.lang.arpa import ArpaModel
from utils.lang.perplexity import main
from utils.lang.train_ngram import main as train
from utils.step import UserError


def write(path, sentences):
    path.write_text("".join(" ".join(words) + "\n" for words in sentences))
    return str(path)


def test_perplexity(tmp_path, capsys):
    arpa = str(tmp_path / "arpa")
    train([write(tmp_path / "train", made_text(300)), arpa])
    sentences = [["zebra"], *made_text(30, 1), ["w1", "zebra", "w2"]]
    utts = [f"u{i:02d}" for i in range(len(sentences))]
    rows = [[utt, *words] for utt, words in zip(utts, sentences, strict=True)]
    text = write(tmp_path / "test", [*rows, ["u99"]])
    capsys.readouterr()
    assert main(["--utt-ids", "--per-utt", str(tmp_path / "per"), arpa, text]) == 0
    figures = dict(field.split("=") for field in capsys.readouterr().out.split())
    model = ArpaModel.read(arpa)
    known, unknown, tokens = 0.0, 0.0, 0
    expected = {}
    for utt, words in zip(utts, sentences, strict=True):
        history, total = ("<s>",), 0.0
        for word in [*words, "</s>"]:
            score = model.score(history, word)
            history += (word,)
            tokens += 1
            total += score if word in model.ids else 0
            unknown += 0 if word in model.ids else score
        expected[utt] = total
        known += total
    oovs = sum(word not in model.ids for words in sentences for word in words)
    words = sum(map(len, sentences))
    assert oovs >= 2
    assert [int(figures[k]) for k in ("sentences", "words", "OOVs")] == [32, words, oovs]
    assert float(figures["logprob"]) == pytest.approx(known, abs=1e-3)
    assert float(figures["ppl"]) == pytest.approx(10 ** (-known / (tokens - oovs)), rel=1e-4)
    assert float(figures["ppl1"]) == pytest.approx(10 ** (-known / (words - oovs)), rel=1e-4)
    assert float(figures["ppl_unk"]) == pytest.approx(10 ** (-(known + unknown) / tokens), rel=1e-4)
    per_utt = [line.split() for line in (tmp_path / "per").read_text().splitlines()]
    found = {utt: float(logprob) for utt, logprob, *_ in per_utt}
    assert found == pytest.approx(expected, abs=1e-3)
    assert per_utt[0][2:4] == ["1", "1"] and per_utt[-1][2:4] == ["3", "1"]


def test_a_word_unknown_to_a_closed_model_is_left_out(tmp_path, capsys):
    (tmp_path / "words").write_text("a\nb\n")
    train(["--vocab", str(tmp_path / "words"), "--oov", "skip",
           write(tmp_path / "train", [["a", "b"], ["b"]]), str(tmp_path / "arpa")])
    capsys.readouterr()
    main([str(tmp_path / "arpa"), write(tmp_path / "test", [["a", "zebra", "b"]])])
    out = capsys.readouterr().out
    assert "OOVs=1" in out and "ppl_unk" not in out and "inf" not in out


def test_mistakes(tmp_path):
    arpa = str(tmp_path / "arpa")
    train([write(tmp_path / "train", [["a", "b"]]), arpa])
    with pytest.raises(UserError, match="empty: has no words"):
        main([arpa, write(tmp_path / "empty", [])])
    with pytest.raises(UserError, match="none: no such file"):
        main([str(tmp_path / "none"), arpa])
