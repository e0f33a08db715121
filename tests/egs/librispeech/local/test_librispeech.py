import gzip
import hashlib
import subprocess
import sys

import pytest
import soundfile

from egs.librispeech.local import download, prepare_data
from tests.file_server import serving
from tests.librispeech_layout import make_librispeech, pack_librispeech
from utils.data.tables import read_table
from utils.data.validate_data_dir import main as validate
from utils.step import ROOT, UserError

ARPA = b"\\data\\\nngram 1=2\n\n\\1-grams:\n-1 <s>\n-1 </s>\n\n\\end\\\n"


@pytest.fixture
def corpus(tiny, tmp_path):
    return make_librispeech(tmp_path / "published/LibriSpeech", tiny)


@pytest.fixture
def server(corpus, monkeypatch):
    """openslr.org, with the MD5s of what it has here."""
    files = {}
    for part in ("train-clean-5", "dev-clean-2"):
        files[f"/31/{part}.tar.gz"] = packed = pack_librispeech(corpus, part)
        monkeypatch.setitem(download.PARTS, part, (31, hashlib.md5(packed).hexdigest()))
    files["/11/librispeech-lexicon.txt"] = (corpus.parent / "lm/librispeech-lexicon.txt"
                                            ).read_bytes()
    files["/11/3-gram.pruned.3e-7.arpa.gz"] = gzip.compress(ARPA)
    with serving(files=files) as server:
        yield server


def test_data_as_kaldi_makes_them(corpus, tmp_path, capsys):
    data = tmp_path / "data"
    assert prepare_data.main([corpus, "train-clean-5", data]) == 0
    assert validate(["--no-feats", data]) == 0
    text = read_table(data / "text")
    assert len(text) == 40 and all(words == words.upper() for words in text.values())
    assert read_table(data / "utt2spk")["19-1001-0003"] == "19-1001"
    assert read_table(data / "spk2utt")["19-1001"].split() == [
        f"19-1001-000{number}" for number in (1, 3, 5, 7)]
    assert len(read_table(data / "spk2utt")) == 10
    assert read_table(data / "spk2gender")["1088-1000"] == "f"
    assert read_table(data / "spk2gender")["19-1000"] == "m"
    flac = read_table(data / "wav.scp")["19-1001-0003"]
    assert flac == str(corpus / "train-clean-5/19/1001/19-1001-0003.flac")
    assert soundfile.info(flac).format == "FLAC"
    capsys.readouterr()
    prepare_data.main([corpus, "train-clean-5", data])
    assert "up to date" in capsys.readouterr().err


def test_readers_and_several_parts(corpus, tmp_path):
    prepare_data.main(["--speakers", "reader", corpus, "train-clean-5", "dev-clean-2",
                       tmp_path / "data"])
    assert validate(["--no-feats", tmp_path / "data"]) == 0
    assert len(read_table(tmp_path / "data/text")) == 50
    assert len(read_table(tmp_path / "data/spk2utt")) == 7
    assert read_table(tmp_path / "data/utt2spk")["1272-1000-0000"] == "1272"


def test_missing_sound(corpus, tmp_path, capsys):
    flacs = sorted(corpus.glob("train-clean-5/*/*/*.flac"))
    for flac in flacs[:2]:
        flac.unlink()
    prepare_data.main([corpus, "train-clean-5", tmp_path / "data"])
    assert f"{flacs[0].stem} {flacs[1].stem}" in capsys.readouterr().err
    assert len(read_table(tmp_path / "data/text")) == 38
    flacs[2].unlink()
    with pytest.raises(UserError, match="3 of 40 utterances of train-clean-5 are not here"):
        prepare_data.main([corpus, "train-clean-5", tmp_path / "other"])
    assert not (tmp_path / "other").exists()


def test_bad_input_names_the_file(corpus, tmp_path):
    def fails(match, part="train-clean-5"):
        with pytest.raises(UserError, match=match):
            prepare_data.main([corpus, part, tmp_path / "data"])
        assert not (tmp_path / "data").exists()

    fails(r"LibriSpeech/dev-clean: no transcripts .*fetches it: local/download.py corpus dev-clean",
          "dev-clean")
    chapter = corpus / "train-clean-5/19/1000/19-1000.trans.txt"
    good = chapter.read_text()
    chapter.write_text(good + "19-1000-0099\n")
    fails(r"19-1000.trans.txt:5: expected `19-1000-NNNN WORDS`, found '19-1000-0099'")
    chapter.write_bytes(good.encode() + b"19-1000-0099 MIS\xe1\n")
    fails(r"19-1000.trans.txt:5:17: byte 0xe1 is not UTF-8")
    chapter.rename(chapter.with_name("19-1.trans.txt"))
    fails(r"19-1.trans.txt: its name is not <reader>-<chapter>")
    chapter.with_name("19-1.trans.txt").rename(chapter)
    chapter.write_text(good)
    speakers = corpus / "SPEAKERS.TXT"
    lines = speakers.read_text().splitlines()
    speakers.write_text("\n".join(line for line in lines if not line.startswith("19 ")))
    fails(r"19-1000.trans.txt: reader 19 is not in SPEAKERS.TXT")
    speakers.write_text("\n".join([*lines, "20 | X | train-clean-5 | 1 | N"]))
    fails(rf"SPEAKERS.TXT:{len(lines) + 1}: expected `reader \| M or F")
    speakers.unlink()
    fails("SPEAKERS.TXT: no such file")


def test_download(server, tmp_path, capsys):
    for part in ("train-clean-5", "dev-clean-2"):
        assert download.main(["--url", server.root, tmp_path, part]) == 0
    assert "licence: CC BY 4.0" in capsys.readouterr().err
    fetched = tmp_path / "LibriSpeech"
    assert len(list(fetched.rglob("*.flac"))) == 50
    assert (fetched / "LICENSE.TXT").is_file() and not (fetched / "BOOKS.TXT").exists()
    assert not list(tmp_path.glob("*.tar.gz*"))
    assert prepare_data.main([fetched, "dev-clean-2", tmp_path / "data"]) == 0
    capsys.readouterr()
    for part in ("train-clean-5", "dev-clean-2"):
        download.main(["--url", "http://127.0.0.1:9/another/mirror", tmp_path, part])
    assert capsys.readouterr().err.count("up to date") == 2


def test_goes_on_after_an_interruption(server, tmp_path):
    server.cut = 10000
    with pytest.raises(UserError, match=r"got 10000 of \d+ bytes \(run it again and it goes on"):
        download.main(["--url", server.root, tmp_path, "train-clean-5"])
    assert not (tmp_path / "LibriSpeech").exists()
    assert download.main(["--url", server.root, tmp_path, "train-clean-5"]) == 0
    assert server.asked == 10000
    assert len(list((tmp_path / "LibriSpeech").rglob("*.flac"))) == 40


def test_damaged_on_the_way(server, tmp_path):
    whole = server.files["/31/train-clean-5.tar.gz"]
    server.files["/31/train-clean-5.tar.gz"] = whole[:5000] + b"damaged" + whole[5007:]
    with pytest.raises(UserError, match=r"train-clean-5.tar.gz has md5 \w+, the published one is "
                       r"\w+, so it has been removed \(run it again"):
        download.main(["--url", server.root, tmp_path, "train-clean-5"])
    assert not list(tmp_path.glob("*train-clean-5*"))
    server.files["/31/train-clean-5.tar.gz"] = whole
    assert download.main(["--url", server.root, tmp_path, "train-clean-5"]) == 0


def test_what_openslr_did_not_publish_by_the_command(corpus, tmp_path):
    """Message and status of the script itself, which knows the true MD5."""
    with serving(pack_librispeech(corpus, "train-clean-5")) as server:
        done = subprocess.run(
            [sys.executable, ROOT / "egs/librispeech/local/download.py", "--url", server.root,
             tmp_path / "corpus", "train-clean-5"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the published one is 5df7d4e78065366204ca6845bb08f490" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "corpus/LibriSpeech").exists()


def test_a_part_without_all_its_sound(corpus, server, tmp_path, monkeypatch):
    (corpus / "train-clean-5/19/1000/19-1000-0002.flac").unlink()
    packed = pack_librispeech(corpus, "train-clean-5")
    server.files["/31/train-clean-5.tar.gz"] = packed
    monkeypatch.setitem(download.PARTS, "train-clean-5", (31, hashlib.md5(packed).hexdigest()))
    with pytest.raises(UserError, match=r"no train-clean-5/19/1000/19-1000-0002.flac in it"):
        download.main(["--url", server.root, tmp_path, "train-clean-5"])
    assert not (tmp_path / "LibriSpeech/train-clean-5").exists()


def test_lexicon_and_lm(server, tmp_path, capsys):
    for name in ("librispeech-lexicon.txt", "3-gram.pruned.3e-7.arpa.gz"):
        assert download.main(["--url", server.root, tmp_path, name]) == 0
        assert (tmp_path / "lm" / name).read_bytes() == server.files[f"/11/{name}"]
    download.main(["--url", server.root, tmp_path, "librispeech-lexicon.txt"])
    assert "up to date" in capsys.readouterr().err
    server.files["/11/3-gram.arpa.gz"] = gzip.compress(ARPA)[:-5] + b"xxxxx"
    with pytest.raises(UserError, match=r"3-gram.arpa.gz: is damaged.*\(run it again\)"):
        download.main(["--url", server.root, tmp_path, "3-gram.arpa.gz"])
    server.files["/11/3-gram.arpa.gz"] = gzip.compress(ARPA)
    assert download.main(["--url", server.root, tmp_path, "3-gram.arpa.gz"]) == 0
    with pytest.raises(SystemExit, match="invalid choice"):
        download.main([tmp_path, "4-gram"])
