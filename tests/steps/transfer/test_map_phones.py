"""From a little English of four phones to a little language of letters."""

import gzip
import shutil

import numpy as np
import pytest

from steps.hmm import make_mono_tree
from steps.transfer import map_phones
from steps.transfer.pdf_map import check_map, read_pdf_map
from utils.lang import prepare_lang
from utils.step import UserError


def make_model(directory, phones, words, positions="false"):
    """A lang directory and the untrained system of some phones; returns their paths."""
    (directory / "dict").mkdir(parents=True)
    lexicon = ["<unk> 1.0 SPN", *(f"{word} 1.0 {said}" for word, said in words.items())]
    for name, lines in {"lexiconp.txt": lexicon, "silence_phones.txt": ["SIL", "SPN"],
                        "nonsilence_phones.txt": phones, "optional_silence.txt": ["SIL"],
                        "extra_questions.txt": []}.items():
        (directory / "dict" / name).write_text("".join(f"{line}\n" for line in lines))
    prepare_lang.main(["--position-dependent-phones", positions, directory / "dict", "<unk>",
                       directory / "lang"])
    make_mono_tree.main([directory / "lang", directory / "mono"])
    return directory / "lang", directory / "mono"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    directory = tmp_path_factory.mktemp("models")
    source = make_model(directory / "en", ["AA", "B", "P", "IY", "ZH"],
                        {"bee": "B IY", "pa": "P AA", "zh": "ZH AA"}, "true")
    target = make_model(directory / "xx", ["a", "á", "b", "i", "j"],
                        {"ba": "b a", "bá": "b á", "iji": "i j i", "aj": "a j"})
    return source[1], target[1], target[0]


def rows_of(directory):
    lines = (directory / "phone_map.txt").read_text("utf-8").splitlines()
    return {line.split("\t")[0]: line.split("\t")[1:] for line in lines}


def test_map(models, tmp_path, capsys):
    source, target, lang = models
    arguments = ["--lang", lang, source, target, tmp_path / "map"]
    assert map_phones.main(arguments) == 0
    told = capsys.readouterr().err
    assert "guessed from the spelling: a [a], á [a], b [b], i [i], j [d͡ʒ]" in told
    rows = rows_of(tmp_path / "map")
    assert rows["phone"] == ["IPA", "from", "nearest:distance:weight"]
    assert rows["SIL"] == ["-", "silence", "SIL:0.000:1.000"]
    assert rows["SPN"] == ["-", "noise", "SPN:0.000:1.000"]
    assert rows["b"][:2] == ["b", "guessed"]
    assert rows["b"][2].startswith("B:0.000:") and rows["b"][3].startswith("P:")
    assert rows["á"][2].startswith("AA:") and rows["j"][2].startswith("ZH:")
    check_map(tmp_path / "map", target, source)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/tree").write_text("another")
    for pair in ((target, tmp_path / "other"), (tmp_path / "other", source)):
        with pytest.raises(UserError, match=r"map: maps pdfs of other trees .*other \("):
            check_map(tmp_path / "map", *pair)
    matrix = read_pdf_map(tmp_path / "map", 10 + 5 * 3, 10 + 5 * 3).toarray()
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(matrix[:10, :10], np.eye(10))
    weight = float(rows["b"][2].split(":")[2])
    for state in range(3):
        assert matrix[16 + state, 13 + state] == pytest.approx(weight, abs=1e-3)
    assert map_phones.main(arguments) == 0
    assert "up to date" in capsys.readouterr().err


def test_one_nearest_and_a_table(models, tmp_path, capsys):
    source, target, _ = models
    (tmp_path / "table").write_text("j ʒ\ni SPN\njj ʒ\n")
    map_phones.main(["--num-nearest", 1, "--ipa-table", tmp_path / "table", source, target,
                     tmp_path / "map"])
    assert f"table: {target}/phones.txt has no jj\n" in capsys.readouterr().err
    rows = rows_of(tmp_path / "map")
    assert rows["j"] == ["ʒ", "known", "ZH:0.000:1.000"]
    assert rows["i"] == ["-", "noise", "SPN:0.000:1.000"]
    matrix = read_pdf_map(tmp_path / "map").toarray()
    assert matrix[16:19, 13:16].tolist() == np.eye(3).tolist()
    np.testing.assert_allclose(matrix[19, 5:10], [0.6, 0.4, 0, 0, 0], atol=1e-6)


def test_letters_from_espeak(models, tmp_path, capsys):
    source, target, lang = models
    map_phones.main(["--espeak-voice", "fr", "--lang", lang, source, target, tmp_path / "map"])
    assert rows_of(tmp_path / "map")["j"][:2] == ["ʒ", "guessed"]
    with pytest.raises(UserError, match="needs words"):
        map_phones.main(["--espeak-voice", "fr", source, target, tmp_path / "map"])


def test_bad_input_is_named_and_leaves_nothing(models, tmp_path):
    source, target, _ = models
    shutil.copytree(source, tmp_path / "broken")
    text = (tmp_path / "broken/phones.txt").read_text().replace("SIL", "QUIET")
    (tmp_path / "broken/phones.txt").write_text(text)
    with pytest.raises(UserError, match="no sound is known for QUIET as arpabet"):
        map_phones.main(["--source-symbols", "arpabet", tmp_path / "broken", target,
                         tmp_path / "map"])
    (tmp_path / "table").write_text("QUIET SPN\n")
    with pytest.raises(UserError, match=r"broken/phones\.txt: has nothing for SIL"):
        map_phones.main(["--source-ipa-table", tmp_path / "table", tmp_path / "broken", target,
                         tmp_path / "map"])
    for wrong in ("0", "nan"):
        with pytest.raises(SystemExit, match="argument --temperature: must be above 0"):
            map_phones.main(["--temperature", wrong, source, target, tmp_path / "map"])
    with pytest.raises(UserError, match="tree: is another tree than"):
        map_phones.main(["--alidir", source, source, target, tmp_path / "map"])
    with pytest.raises(UserError, match=r"nowhere/tree: no such file .*align first"):
        map_phones.main(["--alidir", tmp_path / "nowhere", source, target, tmp_path / "map"])
    with pytest.raises(UserError, match=r"lang/phones\.txt: AA_B is 11, in .* not there"):
        map_phones.main(["--lang", source.parent / "lang", source, target, tmp_path / "map"])
    with pytest.raises(UserError, match="x/tree: no such file"):
        (tmp_path / "x").mkdir()
        shutil.copy(source / "phones.txt", tmp_path / "x")
        map_phones.main([tmp_path / "x", target, tmp_path / "map"])
    assert not (tmp_path / "map").exists()


@pytest.mark.parametrize("alignments, said", [
    ("", "ali: has no frame that is aligned"), ("u \n", "ali: has no frame that is aligned"),
    ("u 1 2 9999\n", "u is no path through"), ("u 1 1\n", "u is no path through")])
def test_alignments_that_tell_of_no_contexts(models, tmp_path, alignments, said):
    source, target, _ = models
    shutil.copytree(target, tmp_path / "ali")
    (tmp_path / "ali/ali.1.gz").write_bytes(gzip.compress(alignments.encode()))
    with pytest.raises(UserError, match=said):
        map_phones.main(["--alidir", tmp_path / "ali", source, target, tmp_path / "map"])
    assert not (tmp_path / "map").exists()


def test_phones_that_the_model_does_not_have(models, tmp_path):
    source, target, _ = models
    shutil.copytree(target, tmp_path / "other")
    with (tmp_path / "other/phones.txt").open("a") as file:
        file.write("e 77\n")
    with pytest.raises(UserError, match=r"other/phones\.txt: has e, final\.mdl beside it has not"):
        map_phones.main([source, tmp_path / "other", tmp_path / "map"])
