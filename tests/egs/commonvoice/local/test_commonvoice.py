import hashlib
import subprocess

import pytest
import soundfile

from egs.commonvoice.local import download, prepare_data
from tests.commonvoice_layout import (
    RELEASE,
    client,
    make_commonvoice,
    pack_commonvoice,
    read_tsv,
    write_tsv,
)
from tests.file_server import serving
from utils.data.normalise import normalise, read_rules
from utils.data.tables import read_table
from utils.data.validate_data_dir import main as validate
from utils.step import ROOT, UserError

INDIA = "India and South Asia (India, Pakistan, Sri Lanka)"
CONF = ROOT / "egs/commonvoice/conf"


@pytest.fixture
def source(tiny, tmp_path):
    return make_commonvoice(tmp_path / "corpus", tiny)


def prepare(source, data, *options):
    return prepare_data.main(["--language", source.name, *options, source.parent.parent, data])


def sentences_of(source, *names):
    return {row["sentence"] for name in names for row in read_tsv(source / f"{name}.tsv")}


def test_published_sets(source, tmp_path, capsys):
    data = tmp_path / "data"
    assert prepare(source, data) == 0
    for name, size in (("train", 40), ("dev", 5), ("test", 5)):
        assert len(read_table(data / name / "text")) == size
        assert validate(["--no-feats", data / name]) == 0
    spk = client("ana")[:16]
    rows = [row for row in read_tsv(source / "train.tsv") if row["client_id"] == client("ana")]
    utts = [f"{spk}-{row['path'].removesuffix('.mp3')}" for row in rows]
    assert read_table(data / "train/spk2utt")[spk].split() == sorted(utts)
    assert read_table(data / "train/text")[utts[0]] == rows[0]["sentence"]
    assert read_table(data / "train/utt2accent")[utts[0]] == "Scottish English"
    assert read_table(data / "train/utt2gender")[utts[0]] == "f"
    wav = read_table(data / "train/wav.scp")[utts[0]]
    assert wav == str(source / "clips" / rows[0]["path"])
    assert float(read_table(data / "train/utt2dur")[utts[0]]) == pytest.approx(
        soundfile.info(wav).duration, abs=0.1)
    unknown = client("eli")[:16]
    assert {table: {value for utt, value in read_table(data / "train" / table).items()
                    if utt.startswith(unknown)} for table in ("utt2accent", "utt2gender")} == {
        "utt2accent": {"unknown"}, "utt2gender": {"unknown"}}
    heard = sentences_of(source, "dev", "test")
    lm = (data / "lm.txt").read_text("utf-8").splitlines()
    assert len(lm) == len(set(lm)) > 20 and not heard & set(lm)
    capsys.readouterr()
    prepare(source, data)
    assert "up to date" in capsys.readouterr().err


def test_accents(source, tmp_path):
    rows = read_tsv(source / "dev.tsv")
    write_tsv(source / "dev.tsv", [{**row, "accents": "England English,scottish english"}
                                   for row in rows[:3]] + rows[3:])
    prepare(source, tmp_path / "data", "--accents", "scotland|Scottish English")
    data = tmp_path / "data"
    assert set(read_table(data / "train/spk2utt")) == {client(spk)[:16] for spk in ("ana", "cem")}
    assert len(read_table(data / "dev/text")) == 3
    assert set(read_table(data / "dev/utt2accent").values()) == {"England English,scottish english"}
    assert set(read_table(data / "test/spk2utt")) == {client("gus")[:16]}
    # The LM is of all accents.
    assert set((data / "lm.txt").read_text("utf-8").splitlines()) == (
        sentences_of(source, "train") - sentences_of(source, "dev", "test"))


def test_an_accent_that_dev_does_not_have(source, tmp_path):
    rows = read_tsv(source / "dev.tsv")
    write_tsv(source / "dev.tsv", [{**row, "accents": "Irish, really"} for row in rows])
    with pytest.raises(UserError, match=r"dev.tsv: no clip with an accent 'Scottish English' "
                       r"\(there are Irish, really\)"):
        prepare(source, tmp_path / "data", "--accents", "Scottish English")
    assert not (tmp_path / "data").exists()


def test_labels_of_an_accent():
    assert prepare_data.labels(f"{INDIA},Learned (A, B), x") == [INDIA, "Learned (A, B)", "x"]
    assert prepare_data.labels(f"England English|{INDIA}") == ["England English", INDIA]
    assert prepare_data.labels("scotland") == ["scotland"] and prepare_data.labels("") == []


def test_older_versions(source, tmp_path):
    """accent and not accents, paths without .mp3, no durations, fewer columns."""
    (source / "clip_durations.tsv").unlink()
    for name in ("train", "dev", "test"):
        rows = read_tsv(source / f"{name}.tsv")
        lines = ["client_id\tpath\tsentence\tage\tgender\taccent"]
        lines += ["\t".join((row["client_id"], row["path"].removesuffix(".mp3"), row["sentence"],
                             "", "female", "scotland")) for row in rows]
        (source / f"{name}.tsv").write_text("\r\n".join(lines) + "\r\n", "utf-8")
    prepare(source, tmp_path / "data", "--accents", "scotland")
    assert validate(["--no-feats", tmp_path / "data/train"]) == 0
    assert set(read_table(tmp_path / "data/train/utt2accent").values()) == {"scotland"}
    assert set(read_table(tmp_path / "data/train/utt2gender").values()) == {"f"}
    assert not (tmp_path / "data/train/utt2dur").exists()


def test_all_that_is_validated(source, tmp_path):
    train = read_tsv(source / "train.tsv")
    write_tsv(source / "train.tsv", train[:8])
    rows = read_tsv(source / "validated.tsv")
    same = next(row for row in rows if row["client_id"] == client("gus"))["sentence"]
    rows[0]["sentence"] = same
    write_tsv(source / "validated.tsv", rows)
    prepare(source, tmp_path / "data", "--train", "validated")
    texts = read_table(tmp_path / "data/train/text")
    heard = sentences_of(source, "dev", "test")
    assert 30 < len(texts) <= 39 and not heard & set(texts.values())
    speakers = set(read_table(tmp_path / "data/train/spk2utt"))
    assert speakers == {client(spk)[:16] for spk in ("ana", "ben", "cem", "dua", "eli")}


def test_fewer_of_dev_and_test(source, tmp_path):
    prepare(source, tmp_path / "data", "--max-dev", "2", "--max-test", "99")
    few = read_table(tmp_path / "data/dev/text")
    assert len(few) == 2 and len(read_table(tmp_path / "data/test/text")) == 5
    prepare(source, tmp_path / "other", "--max-dev", "3")
    assert len(read_table(tmp_path / "other/dev/text")) == 3
    with pytest.raises(SystemExit, match="--max-test: must be 0 or more, not -1"):
        prepare(source, tmp_path / "none", "--max-test", "-1")


def test_speakers_whose_ids_begin_alike():
    ids = {"a" * 128, "a" * 20 + "b" * 108, "c" * 128}
    assert prepare_data.short_names(ids)["a" * 128] == "a" * 21
    assert prepare_data.short_names({"a" * 128, "c" * 128})["c" * 128] == "c" * 16


def test_where_the_language_is(source, tiny, tmp_path):
    for corpus in (source, source.parent):
        assert prepare_data.main(["--language", "fr", corpus, tmp_path / corpus.name]) == 0
    corpus = source.parent.parent
    make_commonvoice(corpus, tiny, release="cv-corpus-9.0-2022-04-27")
    with pytest.raises(UserError, match=rf"fr is here in several versions, {RELEASE} "
                       r"cv-corpus-9.0-2022-04-27 \(choose by --version\)"):
        prepare(source, tmp_path / "data")
    assert prepare(source, tmp_path / "data", "--version", RELEASE) == 0
    with pytest.raises(UserError, match=r"no cv-corpus-\*/cy/train.tsv here"):
        prepare_data.main(["--language", "cy", corpus, tmp_path / "data"])


def test_missing_and_broken(source, tmp_path, capsys):
    rows = read_tsv(source / "train.tsv")
    (source / "clips" / rows[3]["path"]).unlink()
    lines = (source / "train.tsv").read_text("utf-8").splitlines()
    lines.insert(2, "broken\tline")
    (source / "train.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    prepare(source, tmp_path / "data")
    err = capsys.readouterr().err
    assert "train.tsv:3" in err and rows[3]["path"] in err
    assert len(read_table(tmp_path / "data/train/text")) == 39
    for row in rows[4:7]:
        (source / "clips" / row["path"]).unlink()
    with pytest.raises(UserError, match=r"train.tsv: of 40 clips 4 are left out, not in .*clips"):
        prepare(source, tmp_path / "other")
    (source / "train.tsv").write_text("client_id\tpath\n")
    with pytest.raises(UserError, match=r"train.tsv:1: no column sentence, only client_id path"):
        prepare(source, tmp_path / "other")
    (source / "train.tsv").write_bytes(b"client_id\tpath\tsentence\n1\t2\t\xe9t\xe9\n")
    with pytest.raises(UserError, match=r"train.tsv:2:5: byte 0xe9 is not UTF-8"):
        prepare(source, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("language", "sentence", "words"), [
    ("en", "\u201cDon\u2019t,\u201d said the caf\u00e9-owner\u2014twice.",
     "DON'T SAID THE CAFE OWNER TWICE"),
    ("en", "'Tis the dogs' \u00c6on,\u00a0Stra\u00dfe!", "TIS THE DOGS AEON STRASSE"),
    ("fr", "L\u2019homme, a-t-il dit\u00a0: \u00ab o\u00f9\u00a0? \u00bb",
     "L'HOMME A T IL DIT OÙ"),
    ("fr", "E\u0301te\u0301 a\u0300 Lanæ\u200b…", "ÉTÉ À LANÆ"),
    ("cy", "Mae\u2019r t\u0177, \u201cyn wir\u201d!", "mae'r tŷ yn wir"),
    ("hi", "\u0939\u093f\u0928\u094d\u0926\u0940\u0964", "\u0939\u093f\u0928\u094d\u0926\u0940"),
])
def test_sentences_become_words(language, sentence, words):
    path = CONF / f"normalise_{language}.tsv"
    rules = read_rules(path if path.is_file() else CONF / "normalise.tsv")
    assert normalise(sentence, rules)[0] == words


def test_download(source, tmp_path, capsys):
    packed = pack_commonvoice(source)
    checksum = f"sha256:{hashlib.sha256(packed).hexdigest()}"
    options = ["--checksum", checksum, tmp_path / "down", "fr"]
    with serving(packed) as server:
        server.cut = 20000
        with pytest.raises(UserError, match="run it again and it goes on"):
            download.main(["--url", f"{server.root}/a?sign=1", *options])
        assert download.main(["--url", f"{server.root}/b?sign=2", *options]) == 0
        assert server.asked == 20000
    fetched = tmp_path / "down" / RELEASE / "fr"
    assert len(list(fetched.glob("clips/*.mp3"))) == 50
    assert not (fetched / "reported.tsv").exists()
    assert not list((tmp_path / "down").glob("*.tar.gz*"))
    assert prepare_data.main(["--language", "fr", tmp_path / "down", tmp_path / "data"]) == 0
    capsys.readouterr()
    # A link that has ended, or none, is no matter now.
    download.main(["--url", "http://127.0.0.1:9/ended", tmp_path / "down", "fr"])
    download.main([tmp_path / "down", "fr"])
    assert capsys.readouterr().err.count("up to date") == 2


def test_an_archive_fetched_by_hand(source, tmp_path):
    (tmp_path / "down").mkdir()
    (tmp_path / "down/commonvoice_fr.tar.gz").write_bytes(pack_commonvoice(source))
    assert download.main([tmp_path / "down", "fr"]) == 0
    assert (tmp_path / "down" / RELEASE / "fr/dev.tsv").is_file()


def test_damaged(source, tmp_path):
    packed = pack_commonvoice(source)
    checksum = f"md5:{hashlib.md5(packed).hexdigest()}"
    damaged = packed[:9000] + bytes(40) + packed[9040:]
    with serving(damaged) as server:
        with pytest.raises(UserError, match=r"has md5 \w+, the published one is"):
            download.main(["--url", server.url, "--checksum", checksum, tmp_path / "down", "fr"])
        with pytest.raises(UserError, match=r"commonvoice_fr.tar.gz: cannot be unpacked"):
            download.main(["--url", server.url, tmp_path / "down", "fr"])
        assert not list((tmp_path / "down").glob("*.tar.gz*"))
        assert not (tmp_path / "down" / RELEASE).exists()
        server.body = packed
        assert download.main(["--url", server.url, tmp_path / "down", "fr"]) == 0


def test_another_language(source, tmp_path):
    with serving(pack_commonvoice(source)) as server, pytest.raises(
            UserError, match=r"no cv-corpus-<version>/cy/train.tsv in it"):
        download.main(["--url", server.url, tmp_path / "down", "cy"])


def test_neither_archive_nor_corpus_by_the_command(tmp_path):
    done = subprocess.run(
        ["bash", ROOT / "egs/commonvoice/run.sh", "--data", tmp_path / "data", "--exp",
         tmp_path / "exp", "--targets", "xx"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "Common Voice xx: neither --corpus nor --url is given" in last
    assert "terms accepted, at commonvoice.mozilla.org" in last
