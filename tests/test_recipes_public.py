"""The recipes for LibriSpeech and Common Voice from end to end on little speech."""

import re

from tests.librispeech_layout import make_librispeech
from tests.test_recipes import assert_nothing_to_do, quick_conf, run
from utils.data.tables import read_table
from utils.step import ROOT


def test_librispeech_recipe_on_a_tiny_corpus(tiny, tmp_path):
    conf = quick_conf(ROOT / "egs/librispeech", tmp_path / "conf")
    corpus = make_librispeech(tmp_path / "LibriSpeech", tiny)
    options = ["--corpus", corpus, "--lexicon", tmp_path / "lm/librispeech-lexicon.txt", "--data",
               tmp_path / "data", "--exp", tmp_path / "exp", "--conf", conf, "--systems", "tri3b",
               "--nj", 1]
    run(ROOT / "egs/librispeech/run.sh", *options)
    lines = (tmp_path / "exp/mini/results").read_text().splitlines()
    wers = {re.search(r"exp/mini/(\S+)/decode_dev_clean_2 ", line)[1]: float(line.split()[1])
            for line in lines}
    assert list(wers) == ["tri3b", "nnet/0"] and all(wer < 40 for wer in wers.values()), wers
    assert len(read_table(tmp_path / "data/mini/train_mono/text")) == 40   # fewer than 500
    assert "ZEBRA" not in (tmp_path / "data/mini/lang/words.txt").read_text()
    assert_nothing_to_do(run(ROOT / "egs/librispeech/run.sh", *options))
