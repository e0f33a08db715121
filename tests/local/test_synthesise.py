import numpy as np
import pytest
import soundfile

from local import prepare_data, synthesise
from local.acoustics import Surroundings, draw_surroundings, record
from local.grammar import read_grammar, sentences
from local.voices import VOICES, generator
from utils.data.tables import read_table
from utils.data.validate_data_dir import main as validate
from utils.step import ROOT, UserError

GRAMMARS = sorted((ROOT / "local/sentences").glob("*.txt"))


@pytest.mark.parametrize("path", GRAMMARS, ids=lambda path: path.stem)
def test_sentences(path):
    grammar = read_grammar(path)
    few, many = sentences(grammar, 50, "x"), sentences(grammar, 3000, "x")
    assert many[:50] == few == sentences(grammar, 50, "x") and few != sentences(grammar, 50, "y")
    assert len(set(many)) == 3000
    words = {word for text in many for word in text.split()}
    assert len(words) > 250 and not any(word.isupper() or word == "|" for word in words)


def test_bad_grammar(tmp_path):
    (tmp_path / "g").write_text("sentence = the DOG\n")
    with pytest.raises(UserError, match="DOG in sentence is not defined"):
        read_grammar(tmp_path / "g")
    (tmp_path / "g").write_text("sentence = a | b\n\nc\n")
    with pytest.raises(UserError, match=r"g:3: expected"):
        read_grammar(tmp_path / "g")
    (tmp_path / "g").write_text("sentence = a | b\n")
    with pytest.raises(UserError, match="only 2 different sentences, not 3"):
        sentences(read_grammar(tmp_path / "g"), 3, 0)


def test_voices_exist_and_are_apart():
    from utils.lang.espeak import variants

    everyone = [voice for voices in VOICES.values() for voice in voices]
    assert set(everyone) <= set(variants())
    assert len({voice.lower() for voice in everyone}) == len(everyone)


def test_record():
    rng = np.random.default_rng(0)
    speech = np.sin(np.arange(16000) * 0.2)
    where = Surroundings(reverberation=0.2, direct=0.9, tilt=0.0, snr=20.0, noise_colour=0.5,
                         level=10.0)
    sound = record(speech, 16000, where, rng)
    assert sound.shape == speech.shape and sound.dtype == np.float32
    assert -13.1 < 20 * np.log10(np.abs(sound).max()) < -6.9
    # What the sine does not explain is echo and noise, 17 dB or more below it.
    basis = np.stack([np.sin(np.arange(8000, 16000) * 0.2), np.cos(np.arange(8000, 16000) * 0.2)])
    rest = sound[8000:] - basis.T @ np.linalg.lstsq(basis.T, sound[8000:], rcond=None)[0]
    ratio = 10 * np.log10(np.mean(sound[8000:] ** 2) / np.mean(rest ** 2))
    assert 15 < ratio < 25
    assert draw_surroundings(generator("a")) == draw_surroundings(generator("a"))
    assert draw_surroundings(generator("a")) != draw_surroundings(generator("b"))
    assert np.isfinite(record(np.zeros(1000), 16000, where, rng)).all()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    directory = tmp_path_factory.mktemp("synthesised") / "fr"
    synthesise.main(["--language", "fr", "--size", "tiny", "--role", "target", directory])
    return directory


def test_corpus_and_data(corpus, tmp_path, capsys):
    data = tmp_path / "data/fr"
    prepare_data.main([corpus, data])
    tables = {part: {name: read_table(data / part / name)
                     for name in ("text", "utt2spk", "utt2accent")}
              for part in ("train", "dev", "test")}
    assert [len(tables[part]["text"]) for part in tables] == [24, 8, 8]
    for part in tables:
        assert validate(["--no-feats", "--audio", "full", data / part]) == 0
        assert set(tables[part]["utt2accent"].values()) == {"fr"}
    for name, column in (("voices", "utt2spk"), ("sentences", "text")):
        sets = [set(tables[part][column].values()) for part in tables]
        assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2]), name
    lm = set((data / "lm.txt").read_text().splitlines())
    assert set(tables["train"]["text"].values()) <= lm
    assert not lm & set(tables["test"]["text"].values()) | lm & set(tables["dev"]["text"].values())
    (data / "train/utt2dur").write_text("made of the sound\n")
    capsys.readouterr()
    synthesise.main(["--language", "fr", "--size", "tiny", "--role", "target", corpus])
    prepare_data.main([corpus, data])
    assert capsys.readouterr().err.count("up to date") == 2
    assert (data / "train/utt2dur").exists()
    synthesise.main(["--language", "fr", "--size", "tiny", "--role", "target", "--force", corpus])
    prepare_data.main([corpus, data])
    assert not (data / "train/utt2dur").exists() and (data / "train/wav.scp").exists()


def test_same_sound_every_time(corpus, tmp_path):
    again = tmp_path / "fr"
    synthesise.main(["--language", "fr", "--size", "tiny", "--role", "target", "--nj", "1", again])
    files = sorted(corpus.rglob("*.flac"))
    assert len(files) == 40
    for file in files[::5]:
        ours, rate = soundfile.read(file)
        assert rate == 16000
        assert np.array_equal(ours, soundfile.read(again / file.relative_to(corpus))[0])


def test_missing_sound(corpus, tmp_path):
    (tmp_path / "fr").mkdir()
    for name in ("utts.tsv", "lm.txt"):
        (tmp_path / "fr" / name).write_bytes((corpus / name).read_bytes())
    with pytest.raises(UserError, match=r"utts.tsv:1: .*fr-alex-0001.flac is not there"):
        prepare_data.main([tmp_path / "fr", tmp_path / "data"])
    assert not (tmp_path / "data/train").exists()
    (tmp_path / "fr/utts.tsv").write_text("train\tfr-al")
    with pytest.raises(UserError, match=r"utts.tsv:1: expected set, utt, spk, accent and text"):
        prepare_data.main([tmp_path / "fr", tmp_path / "data"])
