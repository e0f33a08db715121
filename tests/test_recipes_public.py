"""The recipes for LibriSpeech and Common Voice from end to end on little speech."""

import re

import pytest

from tests.commonvoice_layout import make_commonvoice
from tests.librispeech_layout import make_librispeech
from tests.recipe_runs import quick_conf, run
from tests.test_recipes import assert_nothing_to_do
from utils.data.tables import read_table
from utils.step import ROOT


@pytest.fixture(scope="module")
def librispeech(server, tiny, tmp_path_factory):
    """Where librispeech has made data/ and exp/, and its options."""
    directory = tmp_path_factory.mktemp("librispeech")
    conf = quick_conf(ROOT / "egs/librispeech", directory / "conf")
    corpus = make_librispeech(directory / "LibriSpeech", tiny)
    options = ["--corpus", corpus, "--lexicon", directory / "lm/librispeech-lexicon.txt", "--data",
               directory / "data", "--exp", directory / "exp", "--conf", conf, "--systems", "tri3b",
               "--nj", 1]
    run(ROOT / "egs/librispeech/run.sh", *options, server=server)
    return directory, options


def wers(path):
    """{system: WER on test, or where there is none on dev} of a table of results."""
    rows = re.findall(r"^%WER ([\d.]+) .*exp/\w+/(\S+)/decode_(?:test|dev_clean_2) ",
                      path.read_text(), re.M)
    return {system: float(wer) for wer, system in rows}


def test_librispeech_recipe_on_a_tiny_corpus(server, librispeech):
    directory, options = librispeech
    reached = wers(directory / "exp/mini/results")
    assert list(reached) == ["tri3b", "nnet/0"] and max(reached.values()) < 40, reached
    assert len(read_table(directory / "data/mini/train_mono/text")) == 40   # fewer than 500
    assert "ZEBRA" not in (directory / "data/mini/lang/words.txt").read_text()
    assert_nothing_to_do(run(ROOT / "egs/librispeech/run.sh", *options, server=server))


def test_librispeech_recipe_with_an_lm_as_published(tiny, tmp_path):
    """Up to the grammar: all words of the lexicon, whatever the transcripts say."""
    corpus = make_librispeech(tmp_path / "LibriSpeech", tiny)
    words = ["MISA", "FONO", "ZEBRA", "</s>", "<UNK>"]
    lines = ["\\data\\", "ngram 1=6", "ngram 2=2", "", "\\1-grams:", "-99 <s> -0.3",
             *(f"-0.7 {word} -0.1" for word in words), "", "\\2-grams:", "-0.2 <s> MISA",
             "-0.3 MISA ZEBRA", "", "\\end\\", ""]
    (tmp_path / "lm/3gram.arpa").write_text("\n".join(lines))
    options = ["--corpus", corpus, "--lexicon", tmp_path / "lm/librispeech-lexicon.txt", "--lm",
               tmp_path / "lm/3gram.arpa", "--data", tmp_path / "data", "--exp", tmp_path / "exp",
               "--stop-stage", 1]
    run(ROOT / "egs/librispeech/run.sh", *options)
    assert "ZEBRA" in (tmp_path / "data/mini/lang_test/words.txt").read_text()
    assert (tmp_path / "data/mini/lang_test/G.fst").is_file()


def test_commonvoice_recipe_on_a_tiny_corpus(server, librispeech, tiny, tmp_path):
    conf = quick_conf(ROOT / "egs/commonvoice", tmp_path / "conf")
    make_commonvoice(tmp_path / "corpus", tiny)
    options = ["--corpus", tmp_path / "corpus", "--targets", "fr", "--sizes", "all", "--lexicon",
               "graphemes", "--source", librispeech[0] / "exp/mini/nnet/0", "--data",
               tmp_path / "data", "--exp", tmp_path / "exp", "--conf", conf, "--nj", 1]
    run(ROOT / "egs/commonvoice/run.sh", *options, server=server)
    reached = wers(tmp_path / "exp/fr/results")
    assert list(reached) == ["0/transfer", "all/tri3b", "all/scratch/0", "all/transfer/0"]
    assert reached["all/tri3b"] < 40 and reached["all/transfer/0"] < 40, reached
    accents = tmp_path / "exp/fr/all/tri3b/decode_test/scoring/by_accent"
    assert "accent Scottish English, 5 utterances" in accents.read_text()
    assert (tmp_path / "exp/fr/learning_curve.png").is_file()
    assert_nothing_to_do(run(ROOT / "egs/commonvoice/run.sh", *options, server=server))


def test_accents_of_english_up_to_the_grammars(tiny, tmp_path):
    """Two targets of one language, eSpeak's pronunciations, validated.tsv."""
    source = make_commonvoice(tmp_path / "corpus", tiny, "en")
    for name in ("dev", "test"):
        path = source / f"{name}.tsv"
        path.write_text(path.read_text("utf-8").replace(
            "\tScottish English\t", "\tScottish English|indian\t").replace(
            "\tIndia and South Asia", "\tScottish English|India and South Asia"), "utf-8")
    options = ["--corpus", tmp_path / "corpus", "--targets", "en-scotland en-india", "--train",
               "validated", "--sizes", "0.2", "--data", tmp_path / "data", "--exp",
               tmp_path / "exp", "--stop-stage", 2]
    run(ROOT / "egs/commonvoice/run.sh", *options)
    for target in ("en-scotland", "en-india"):
        data = tmp_path / "data" / target
        assert (data / "lang_test/G.fst").is_file()
        assert set(read_table(data / "0.2/train/text")) < set(read_table(data / "train/text"))
    assert len(read_table(tmp_path / "data/en-scotland/train/spk2utt")) == 2
    assert_nothing_to_do(run(ROOT / "egs/commonvoice/run.sh", *options))
