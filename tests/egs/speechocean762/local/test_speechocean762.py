import tarfile

import pytest

from egs.speechocean762.local import download, prepare_data
from tests.file_server import serving
from tests.speechocean762_layout import make_speechocean762
from utils.data.tables import read_table
from utils.data.validate_data_dir import main as validate
from utils.step import UserError


@pytest.fixture
def corpus(tiny, tmp_path):
    return make_speechocean762(tmp_path / "corpus", tiny)


def test_data(corpus, tmp_path, capsys):
    data = tmp_path / "data"
    assert prepare_data.main(["--hold-out", "2", corpus, data]) == 0
    for part, number in (("train", 40), ("test", 10), ("tune/train", 24), ("tune/test", 16)):
        assert len(read_table(data / part / "text")) == number
        assert validate(["--no-feats", data / part]) == 0
        assert all(wav.startswith("/") for wav in read_table(data / part / "wav.scp").values())
    assert read_table(data / "train/spk2age") == {
        "ana": "8", "ben": "30", "cem": "9", "dua": "25", "eli": "12"}
    assert read_table(data / "test/spk2agegroup") == {"fay": "child", "gus": "adult"}
    spks = {part: set(read_table(data / part / "spk2utt"))
            for part in ("train", "tune/train", "tune/test", "test")}
    assert spks["tune/train"] | spks["tune/test"] == spks["train"]
    assert not spks["tune/train"] & spks["tune/test"]
    for table in ("spk2age", "spk2agegroup", "spk2gender"):
        assert set(read_table(data / "tune/test" / table)) == spks["tune/test"]
    capsys.readouterr()
    prepare_data.main(["--hold-out", "2", corpus, data])
    assert "up to date" in capsys.readouterr().err


def test_held_out_speakers_are_of_both_genders_and_all_ages():
    ages = {f"{number:04d}": str(6 + number // 2) for number in range(80)}
    genders = {spk: "fm"[int(spk) % 2] for spk in ages}
    chosen = sorted(prepare_data.choose_speakers(genders, ages, 8))
    assert [genders[spk] for spk in chosen].count("f") == 4
    # Each gender has one of every ten years.
    for gender in "fm":
        years = sorted(int(ages[spk]) for spk in chosen if genders[spk] == gender)
        assert [(year - 6) // 10 for year in years] == [0, 1, 2, 3]
    assert chosen == sorted(prepare_data.choose_speakers(genders, ages, 8))


def test_fewer_than_none_held_out(corpus, tmp_path):
    with pytest.raises(SystemExit, match="--hold-out: must be 0 or more, not -2"):
        prepare_data.main(["--hold-out", "-2", corpus, tmp_path / "data"])


def test_missing_sound(corpus, tmp_path, capsys):
    (corpus / "WAVE/SPEAKERben/ben-003.WAV").unlink()
    prepare_data.main(["--hold-out", "2", corpus, tmp_path / "data"])
    assert "train: left out, no sound: ben-003" in capsys.readouterr().err
    for table in ("text", "utt2spk", "wav.scp"):
        assert len(read_table(tmp_path / "data/train" / table)) == 39
    assert "ben-003" not in read_table(tmp_path / "data/train/spk2utt")["ben"].split()
    for number in range(4, 8):
        (corpus / f"WAVE/SPEAKERben/ben-00{number}.WAV").unlink()
    with pytest.raises(UserError, match=r"train/wav.scp: 5 of 40 files are not here"):
        prepare_data.main([corpus, tmp_path / "other"])
    assert not (tmp_path / "other/train").exists()


def test_bad_input_names_the_file(corpus, tmp_path):
    data = tmp_path / "data"
    with pytest.raises(UserError, match=r"nowhere/train/wav.scp: no such file"):
        prepare_data.main([tmp_path / "nowhere", data])
    with pytest.raises(UserError, match="5 of 5 training speakers"):
        prepare_data.main(["--hold-out", "5", corpus, data])
    (corpus / "test/spk2age").write_text("fay\t6\ngus\told\n")
    with pytest.raises(UserError, match="test/spk2age: gus is 'old'"):
        prepare_data.main([corpus, data])
    (corpus / "test/spk2age").write_text("fay\t6\n")
    with pytest.raises(UserError, match="test/spk2age: gus is not here"):
        prepare_data.main([corpus, data])


def test_download(corpus, tmp_path, capsys):
    def pack():
        with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
            tar.add(corpus, "speechocean762")
        return (tmp_path / "x.tgz").read_bytes()

    with serving(pack()) as server:
        assert download.main(["--url", server.url, tmp_path / "down"]) == 0
        fetched = tmp_path / "down/speechocean762"
        assert len(list(fetched.rglob("*.WAV"))) == 50
        assert prepare_data.main([fetched, tmp_path / "data"]) == 0
        capsys.readouterr()
        download.main(["--url", server.url, tmp_path / "down"])
        assert "up to date" in capsys.readouterr().err
        (corpus / "WAVE/SPEAKERben/ben-003.WAV").unlink()
        server.body = pack()
        with pytest.raises(UserError, match=r"no WAVE/SPEAKERben/ben-003.WAV in it"):
            download.main(["--url", server.url, tmp_path / "less"])
        assert not (tmp_path / "less/speechocean762/train").exists()
