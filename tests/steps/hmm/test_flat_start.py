import itertools

import numpy as np
import pytest
from kaldifst import StdVectorFst, arcsort

from steps.hmm.ali import phones_of
from steps.hmm.flat_start import equal_alignment, phone_path
from steps.hmm.topology import read_topo
from tests.steps.hmm.small import builder_of, make_lang


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    lang = make_lang(tmp_path_factory.mktemp("flat"))
    _, transitions, tree = builder_of(lang, 1, topo=read_topo(lang.path / "topo"))
    return lang, transitions, tree


def path_of(lang, words):
    lexicon = StdVectorFst.read(str(lang.path / "L.fst"))
    arcsort(lexicon, sort_type="olabel")
    phones = phone_path(lexicon, lang.word_ids(words), lang.optional_silence)
    return phones and " ".join(lang.phone_symbols[p] for p in phones)


def test_silence_at_both_ends_and_the_likeliest_pronunciations(small):
    lang = small[0]
    assert path_of(lang, ["ab", "b"]) == "SIL a b b SIL"
    assert path_of(lang, ["ba"]) == "SIL b a SIL"
    assert path_of(lang, []) == "SIL"
    assert path_of(lang, ["unheard"]) == "SIL SPN SIL"
    assert path_of(lang, ["b", "<unk>", "b"]) == "SIL b SPN b SIL"


def test_without_silence_in_the_lexicon(tmp_path):
    lang = make_lang(tmp_path, "--sil-prob", "0")
    assert path_of(lang, ["ab", "b"]) == "a b b"


def test_no_pronunciation_no_path(small):
    lang = small[0]
    lexicon = StdVectorFst.read(str(lang.path / "L.fst"))
    assert phone_path(lexicon, [lang.words["#0"]], lang.optional_silence) is None


@pytest.mark.parametrize("num_frames", [16, 17, 31, 500])
def test_frames_are_shared_out_equally(small, num_frames):
    lang, transitions, tree = small
    phones = [lang.phones[p] for p in ("SIL", "a", "b", "SIL")]      # 5 + 3 + 3 + 5 states
    tids = equal_alignment(phones, num_frames, transitions, tree)
    assert len(tids) == num_frames
    assert phones_of(tids, transitions)[0].tolist() == phones
    states = [(transitions.tid2phone[t], transitions.tid2hmm_state[t]) for t in tids]
    lengths = [len(list(group)) for _, group in itertools.groupby(states)]
    assert len(lengths) == 16
    assert max(lengths) - min(lengths) <= 1
    for before, after in itertools.pairwise(tids):     # a path that the HMMs allow
        if not transitions.tid_is_final[before]:
            assert transitions.tid2next[before] == transitions.tid2hmm_state[after]


def test_too_few_frames(small):
    lang, transitions, tree = small
    phones = [lang.phones[p] for p in ("SIL", "a", "SIL")]
    assert equal_alignment(phones, 12, transitions, tree) is None
    assert len(equal_alignment(phones, 13, transitions, tree)) == 13
    assert equal_alignment(phones, 0, transitions, tree) is None


def test_alignment_is_int32(small):
    lang, transitions, tree = small
    assert equal_alignment([lang.phones["a"]], 9, transitions, tree).dtype == np.int32
