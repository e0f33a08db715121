import pytest

from utils.data.datadir import DataDir
from utils.data.subset_data_dir import main
from utils.data.validate_data_dir import main as validate
from utils.step import UserError


@pytest.fixture
def source(tiny):
    return tiny / "data" / "train"


def subset(tmp_path, *arguments):
    target = tmp_path / "subset"
    assert main(["--force", *arguments, target]) == 0
    assert validate(["--no-feats", target]) == 0
    return DataDir(target)


def test_a_negative_duration_is_named(tiny_copy, tmp_path):
    source = tiny_copy / "data" / "test"
    lines = (source / "utt2dur").read_text().splitlines()
    utt = lines[1].split()[0]
    (source / "utt2dur").write_text("\n".join([lines[0], f"{utt} -0.5", *lines[2:]]) + "\n")
    with pytest.raises(UserError, match=f"utt2dur: {utt} lasts -0.5 s"):
        main(["--minutes", "0.1", source, tmp_path / "x"])
    assert not (tmp_path / "x").exists()


def test_first_last_shortest(source, tmp_path):
    data = DataDir(source)
    assert subset(tmp_path, "--first", source, 7).utts == data.utts[:7]
    assert subset(tmp_path, "--last", source, 7).utts == data.utts[-7:]
    shortest = sorted(data.utts, key=data.utt2dur.get)[:7]
    assert subset(tmp_path, "--shortest", source, 7).utts == sorted(shortest)


def test_all_tables_are_filtered(source, tmp_path):
    part = subset(tmp_path, "--first", source, 10)
    assert part.names == DataDir(source).names
    assert list(part.spk2utt) == ["ana", "ben"] == list(part.spk2gender)
    for table in [part.text, part.wav_scp, part.utt2accent, part.utt2dur]:
        assert list(table) == part.utts


def test_random_by_seed_and_nested(source, tmp_path):
    few = subset(tmp_path, "--seed", 1, source, 5).utts
    assert subset(tmp_path, "--seed", 1, source, 5).utts == few
    assert subset(tmp_path, "--seed", 2, source, 5).utts != few
    assert set(few) < set(subset(tmp_path, "--seed", 1, source, 15).utts)


def test_per_speaker_and_whole_speakers(source, tmp_path):
    assert {len(utts) for utts in subset(tmp_path, "--per-spk", source, 2).spk2utt.values()} == {2}
    few, more = (set(subset(tmp_path, "--per-spk", source, number).utts) for number in (2, 3))
    assert few < more
    speakers = subset(tmp_path, "--speakers", source, 10).spk2utt
    assert [len(utts) for utts in speakers.values()] == [8, 8]


def test_hours(source, tmp_path):
    part = subset(tmp_path, "--hours", 0.004, source)
    total = sum(part.utt2dur.values())
    assert 0.004 * 3600 <= total < 0.004 * 3600 + 2
    with pytest.raises(UserError, match=r"has 0.02 hours, fewer than 5"):
        main(["--hours", 5, source, tmp_path / "other"])
    assert not (tmp_path / "other").exists()


def test_minutes_are_hours(source, tmp_path):
    part = subset(tmp_path, "--minutes", 0.24, source).utts
    assert part == subset(tmp_path, "--hours", 0.004, source).utts
    assert set(part) < set(subset(tmp_path, "--minutes", 0.5, source).utts)
    with pytest.raises(UserError, match=r"has 1.\d+ minutes, fewer than 5"):
        main(["--minutes", 5, source, tmp_path / "other"])


def test_balanced_over_groups_and_their_speakers(source, tmp_path):
    # Two women and three men: each woman has more time than each man, until hers is used up.
    lengths = DataDir(source).utt2dur
    longest = max(lengths.values())
    few = subset(tmp_path, "--balance", "spk2gender", "--minutes", 0.4, source)
    spks = {spk: sum(map(lengths.get, utts)) for spk, utts in few.spk2utt.items()}
    genders = {gender: [spks[spk] for spk, of in few.spk2gender.items() if of == gender]
               for gender in "fm"}
    assert len(spks) == 5 and abs(sum(genders["f"]) - sum(genders["m"])) <= longest
    assert all(max(times) - min(times) <= longest for times in genders.values())
    assert min(genders["f"]) > max(genders["m"])
    more = subset(tmp_path, "--balance", "spk2gender", "--minutes", 0.8, source)
    assert set(few.utts) < set(more.utts)
    assert subset(tmp_path, "--balance", "spk2gender", source, 40).utts == DataDir(source).utts
    accents = subset(tmp_path, "--balance", "utt2accent", source, 20).utt2accent
    assert abs(list(accents.values()).count("north") - 10) <= 2
    with pytest.raises(UserError, match="spk2agegroup: no such file"):
        main(["--balance", "spk2agegroup", source, 5, tmp_path / "other"])


def test_lists(source, tmp_path):
    (tmp_path / "list").write_text("ben-002 x\nana-001\n")
    assert subset(tmp_path, "--utt-list", tmp_path / "list", source).utts == ["ana-001", "ben-002"]
    (tmp_path / "list").write_text("eli\ndua\n")
    part = subset(tmp_path, "--spk-list", tmp_path / "list", source)
    assert list(part.spk2utt) == ["dua", "eli"] and len(part.utts) == 16
    (tmp_path / "list").write_text("eli\nzoe\n")
    with pytest.raises(UserError, match=r"list:2: zoe is not in "):
        main(["--spk-list", tmp_path / "list", source, tmp_path / "other"])


def test_segments_keep_their_recordings(tiny_copy, tmp_path):
    source = tiny_copy / "data" / "train"
    (source / "utt2dur").unlink()
    (source / "segments").write_text("".join(
        f"{utt} {utt[:-1]}{1 + number % 2} 0.1 0.{3 + number % 5}\n"
        for number, utt in enumerate(DataDir(source).utts)))
    part = subset(tmp_path, "--shortest", source, 8)
    assert {end for _, _, end in part.segments.values()} == {0.3}
    assert set(part.wav_scp) == {recording for recording, _, _ in part.segments.values()}


def test_second_run_does_nothing_and_stale_files_go(source, tmp_path, capsys):
    target = tmp_path / "subset"
    assert main([source, 5, target]) == 0
    stamp = (target / "text").stat().st_mtime_ns
    assert main([source, 5, target]) == 0
    assert "up to date" in capsys.readouterr().err
    assert (target / "text").stat().st_mtime_ns == stamp
    (target / "feats.scp").write_text("ana-001 x.ark:5\n")
    (target / "feats.json").write_text("{}")
    assert main([source, 6, target]) == 0
    assert not (target / "feats.scp").exists() and not (target / "feats.json").exists()
    assert len(DataDir(target).utts) == 6


def test_more_than_there_are_is_all_with_a_note(source, tmp_path, capsys):
    assert len(subset(tmp_path, source, 500).utts) == 40
    assert "has 40 utterances and not 500, all are taken" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "message"), [
    (["--first", "--last", "{}", 5, "out"], "one way of choosing"),
    (["--hours", 1, "--spk-list", "x", "{}", "out"], "one way of choosing"),
    (["--hours", -1, "{}", "out"], "hours above 0"),
    (["--minutes", 0, "{}", "out"], "minutes above 0"),
    (["--minutes", 1, "--hours", 1, "{}", "out"], "one way of choosing"),
    (["--balance", "utt2spk", "--first", "{}", 5, "out"], "one way of choosing"),
    (["{}", "out"], "expected SRC NUM DEST"),
    (["--hours", 1, "{}", 5, "out"], "expected SRC DEST"),
    (["{}", "five", "out"], "five: is no number"),
    (["{}", 5, "{}"], "both source and destination"),
    (["{}", 5, "{}/../test"], "is there, and not made by subset_data_dir.py"),
])
def test_bad_options_are_named(source, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        main([str(option).replace("{}", str(source)) for option in options])
