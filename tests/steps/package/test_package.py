"""package.py: what goes in, what is refused, and check_adaptable.py of the result."""

import gzip
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from steps.compress import quantize
from steps.decode.fst_arrays import read_fst
from steps.nnet.network import is_network, read_network
from steps.package import check_adaptable, contents, package
from steps.package.archive import open_package, write_manifest
from steps.package.card import render, warnings, wer_rows
from utils.step import UserError


@pytest.fixture
def inputs(packed, tmp_path):
    """This test's own copy of the network directory, and the other arguments."""
    network = tmp_path / "network"
    shutil.copytree(packed.network, network, ignore=lambda _, names: {"decode_dev"} & set(names))
    return network, [packed.graph, packed.lang, tmp_path / "p"]


def test_contents(packed):
    with open_package(packed.zip) as made:
        names = set(made.manifest["files"])
        assert {"card.json", "README.md", "recogniser.json", "model/model.tflite", "model/tree",
                "graph/HCLG.fst", "graph/words.txt", "graph/phones/align_lexicon.int",
                "lang/lm.arpa.gz", "lang/lexicon.txt", "adapt/final.keras"} <= names
        search = made.json("recogniser.json")["search"]
        best = json.loads((packed.baseline / "scoring/summary.json").read_text())
        assert search["acwt"] == pytest.approx(1 / best["lmwt"]) and search["beam"] == 13
        card = made.json("card.json")
        assert card["licence"] == "CC0-1.0" and card["wer"][0]["wer"] == round(
            best["wer"]["percent"], 2)
        assert card["warnings"] == []
        arpa = gzip.decompress((made.path / "lang/lm.arpa.gz").read_bytes())
        assert arpa.lstrip().startswith(b"\\data")
        assert is_network(made.path / "model")


def test_a_second_run_does_nothing_and_a_lost_zip_is_made_again(packed, tmp_path):
    folder = tmp_path / "p"
    package.main(["--no-adapt", *packed.arguments, folder])
    zipped = folder.with_name("p.zip")
    before = (folder / "manifest.json").stat().st_mtime_ns
    package.main(["--no-adapt", *packed.arguments, folder])
    assert (folder / "manifest.json").stat().st_mtime_ns == before
    content = zipped.read_bytes()
    zipped.unlink()
    package.main(["--no-adapt", *packed.arguments, f"{folder}/"])
    assert zipped.read_bytes() == content and not (folder / ".zip").exists()
    assert len(content) < packed.zip.stat().st_size
    assert check_adaptable.main([folder]) == 1


def test_a_folder_with_other_files_is_left_as_it_is(packed, tmp_path):
    folder = tmp_path / "p"
    (folder / "model").mkdir(parents=True)
    (folder / ".DS_Store").write_text("x")
    (folder / "model/priors~").write_text("x")
    with pytest.raises(UserError, match=r"p/model/priors~: is no file of a package .move it away"):
        package.main(["--no-adapt", *packed.arguments, folder])
    assert {p.name for p in folder.rglob("*")} == {".DS_Store", "model", "priors~"}
    (folder / "model/priors~").unlink()
    (folder / "README.md").write_text("of a run that was killed")
    package.main(["--no-adapt", *packed.arguments, folder])
    package.main([*packed.arguments, folder])
    package.main(["--no-adapt", *packed.arguments, folder])
    assert not (folder / "adapt/final.keras").exists()


def test_an_lm_that_is_none(tmp_path):
    arpa, packed = b"\\data\\\nngram 1=0\n\\end\\\n", tmp_path / "lm.gz"
    packed.write_bytes(arpa)
    whole = contents.gzipped_arpa(packed)
    packed.write_bytes(whole)
    assert contents.gzipped_arpa(packed) == whole and gzip.decompress(whole) == arpa
    packed.write_bytes(whole[:-9])
    with pytest.raises(UserError, match=r"lm\.gz: cannot be decompressed: "):
        contents.gzipped_arpa(packed)
    packed.write_bytes(b"a text\n")
    with pytest.raises(UserError, match=r"lm\.gz: is no LM in ARPA's form"):
        contents.gzipped_arpa(packed)


def test_penalty_is_in_the_graph(packed, tmp_path):
    import kaldifst
    source = packed.graph / "HCLG.fst"
    contents.write_graph(source, tmp_path / "g.fst", 0.75)
    made = kaldifst.StdVectorFst(kaldifst.StdConstFst.read(str(tmp_path / "g.fst")))
    made.write(str(tmp_path / "v.fst"))
    before, after = read_fst(source), read_fst(tmp_path / "v.fst")
    np.testing.assert_allclose(after.weight - before.weight, 0.75 * (before.olabel > 0), atol=1e-5)


def test_transformed_features_are_refused(inputs):
    network, rest = inputs
    front_end = json.loads((network / "front_end.json").read_text())
    feats = front_end["feats"]
    for change, what in (({"kind": "fmllr"}, "features are of kind fmllr"), ({"add_pitch": True},
                         "with pitch"), ({"feat_dim": 12}, "such as LDA")):
        (network / "front_end.json").write_text(json.dumps(
            {**front_end, "feats": {**feats, **change}}))
        with pytest.raises(UserError, match=what):
            package.main(["--lmwt", "10", network, *rest])
    assert not rest[-1].exists()


@pytest.mark.parametrize("options, what", [
    ([], "--dev: is needed"), (["--lmwt", "0"], "--lmwt: is 0"),
    (["--lmwt", "10", "--beam", "-1"], "--beam: is -1"),
    (["--lmwt", "10", "--max-active", "1"], "--max-active: is 1, which no package"),
    (["--lmwt", "10", "--beam", "1e9"], r"--beam: is 1e\+09, which no package"),
    (["--lmwt", "1e-9"], "--lmwt: is 1e-09, which no package"),
    (["--lmwt", "10", "--wip", "nan"], "--wip: is nan"),
    (["--lmwt", "10", "--lm", "/no/lm.arpa"], "/no/lm.arpa: no LM here"),
    (["--lmwt", "10", "--lexicon", "/no/lexicon"], "/no/lexicon: no such file"),
    (["--lmwt", "10", "--trainable", "/no/network"], "/no/network: has no final.keras"),
    (["--dev", "/no/decode"], "summary.json: not scored yet")])
def test_bad_options(inputs, options, what):
    network, rest = inputs
    with pytest.raises(UserError, match=what):
        package.main([*options, network, *rest])
    assert not rest[-1].exists()


def test_about_that_is_not_utf_8(inputs, tmp_path):
    network, rest = inputs
    (tmp_path / "about.md").write_bytes(b"Of\ncaf\xe9s.\n")
    with pytest.raises(UserError, match=r"about.md:2:4: byte 0xe9 is not UTF-8"):
        package.main(["--lmwt", "10", "--about", tmp_path / "about.md", network, *rest])
    assert [path.name for path in rest[-1].iterdir()] == []


def test_a_kept_network_that_the_gate_refused_warns():
    gate = {"passed": False, "wer": 12.0, "baseline": 10.0, "allowed": 10.2, "dev": "data/dev"}
    found = warnings(SimpleNamespace(compress={"gate": gate}), {"wer": [1], "licence": "CC0"})
    assert len(found) == 1 and "WER 12.00 % on data/dev, 10.00 % before" in found[0]
    found = warnings(SimpleNamespace(compress={"gate": {"passed": None}}),
                     {"wer": [], "licence": ""})
    assert len(found) == 3
    compress = {"gate": {"passed": True}, "earlier": [{"method": "prune", "gate": gate},
                                                      {"method": "factor", "gate": {}}]}
    found = warnings(SimpleNamespace(compress=compress), {"wer": [1], "licence": "CC0"})
    assert len(found) == 2 and "although prune.py cost more than allowed: WER 12.00 %" in found[0]
    assert "what factor.py, before, cost" in found[1]


def test_wer_by_group(packed, tmp_path):
    scoring = tmp_path / "scoring"
    shutil.copytree(packed.baseline / "scoring", scoring)
    (scoring / "by_accent").write_text(
        "%WER nan [ 3 / 0, 3 ins, 0 del, 0 sub ]  95 % nan to nan  accent a, 2 utterances\n"
        "%WER 9.87 [ 76 / 770, 1 ins, 11 del, 64 sub ]  95 % 7.09 to 12.96  accent en us, "
        "120 utterances\n")
    rows = [row for row in wer_rows(tmp_path) if row["group"].startswith("accent")]
    assert rows == [{"set": str(tmp_path), "group": "accent en us", "wer": 9.87, "words": 770,
                     "low": 7.09, "high": 12.96}]


def test_readme_has_the_warnings(packed):
    card = json.loads((packed.folder / "card.json").read_text())
    text = render({**card, "warnings": ["Careful."], "about": "Of *glass*."})
    assert "> **Careful.**" in text and "Of *glass*." in text and "| all |" in text
    assert "transcribe.py hears each file by itself, with beam 13 and 7000 tokens at most" in text
    assert "more errors" not in render({**card, "wer": []})


def test_unpacked_network_is_the_one_that_was_packed(packed, tmp_path, capsys):
    out = tmp_path / "source"
    assert check_adaptable.main(["--unpack", out, packed.zip, packed.lang]) == 0
    shown = capsys.readouterr().out
    assert "--output copy: yes, the phones are the same" in shown
    feats = np.random.default_rng(0).standard_normal(
        (60, read_network(out).config["feat_dim"])).astype(np.float32)
    np.testing.assert_allclose(read_network(out).log_posteriors(feats),
                               read_network(packed.network).log_posteriors(feats), atol=0.02)
    before = (out / "final.keras").stat().st_mtime_ns
    check_adaptable.main(["--unpack", out, packed.zip, packed.lang])
    assert (out / "final.keras").stat().st_mtime_ns == before


@pytest.mark.parametrize("where", ["", "model", "new/network"])
def test_a_package_is_not_unpacked_into_itself(packed, where):
    before = sorted(packed.folder.rglob("*"))
    with pytest.raises(UserError, match="tiny: is both source and destination"):
        check_adaptable.main(["--unpack", packed.folder / where, packed.folder])
    assert sorted(packed.folder.rglob("*")) == before


def test_a_trainable_network_of_another_context(packed, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(packed.network, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(
        {**config, "left_context": config["left_context"] + 3}))
    with pytest.raises(UserError, match=r"other/config.json: left_context is .*, and that of"):
        package.main(["--trainable", other, *packed.arguments, tmp_path / "p"])
    assert not (tmp_path / "p").exists()


def test_what_a_package_is_made_of():
    args = SimpleNamespace(network="n", graph="g", lang="l", lm="", lexicon="", about="", dev="d",
                           decode=[], trainable="t", sound="data")
    made_of = {str(path) for path in contents.inputs_of(args)}
    assert {"d/scoring/summary.json", "t/final.keras", "t/config.json", "data/wav.scp"} <= made_of
    assert "data/wav.scp" not in map(str, contents.inputs_of(SimpleNamespace(
        **{**vars(args), "sound": ""})))


def told_of(directory, step, **inputs):
    """A .done that tells of other inputs of these names."""
    path = directory / ".done"
    done = json.loads(path.read_text()) if path.is_file() else {}
    done.setdefault(step, {"options": {}, "outputs": [], "inputs": {}})["inputs"].update(inputs)
    path.write_text(json.dumps(done))


@pytest.mark.parametrize("option", ["--dev", "--decode"])
@pytest.mark.parametrize("name", ["final.keras", "model.tflite", "HCLG.fst"])
def test_decoded_with_another_network_or_graph(packed, tmp_path, option, name):
    decode, where = tmp_path / "decode", packed.graph if name == "HCLG.fst" else packed.network
    shutil.copytree(packed.baseline, decode)
    done = json.loads((decode / ".done").read_text())
    inputs = done["decode"]["inputs"]
    done["decode"]["inputs"] = {p: v for p, v in inputs.items() if not p.endswith(f"/{name}")}
    (decode / ".done").write_text(json.dumps(done))
    told_of(decode, "decode", **{f"other/{name}": "0"})
    with pytest.raises(UserError, match=f"decode: is not of {where} as it is now .decode with it"):
        package.main(["--lmwt", "10", option, decode, *packed.arguments[-3:], tmp_path / "p"])
    assert not (tmp_path / "p").exists()


def test_what_the_gate_decoded_is_of_the_network_that_it_let_pass(packed, tmp_path):
    made, folder = tmp_path / "int8", tmp_path / "p"
    quantize.main(["--nj", "1", "--baseline", packed.baseline, packed.network, made])
    decode = made / packed.baseline.name
    package.main(["--dev", decode, "--decode", decode, "--trainable", packed.network,
                  "--licence", "CC0-1.0", made, *packed.arguments[-2:], folder])
    card = json.loads((folder / "card.json").read_text())
    assert card["warnings"] == [] and card["compressed"]["gate"]["passed"] is True
    assert card["wer"][0]["set"] == str(decode)


def test_a_trainable_network_that_is_another_now(packed, tmp_path):
    network, source = tmp_path / "network", tmp_path / "source"
    for copy in (network, source):
        shutil.copytree(packed.network, copy)
    (network / "final.keras").unlink()
    (network / "model.tflite").write_bytes(b"")
    (network / "compress.json").write_text(json.dumps({"source": str(source)}))
    told_of(network, "quantize", **{"source/final.keras": "0"})
    arguments = ["--lmwt", "10", network, *packed.arguments[-2:], tmp_path / "p"]
    with pytest.raises(UserError, match=r"network: was made of another .*source than it is now"):
        package.main(arguments)
    (source / "tree").write_bytes((source / "tree").read_bytes() + b"\n")
    with pytest.raises(UserError, match="source/tree: is another tree than"):
        package.main(arguments)
    assert not (tmp_path / "p").exists()


def test_a_mixture_cannot_be_trained_on(packed, tmp_path, capsys):
    config = json.loads((packed.network / "config.json").read_text())
    shutil.copytree(packed.network, tmp_path / "mix")
    (tmp_path / "mix/config.json").write_text(json.dumps({**config, "mixture": {}}))
    *options, _, graph, lang = packed.arguments
    with pytest.raises(UserError, match=r"mix: is a mixture, which cannot be trained on \(--no-"):
        package.main([*options, tmp_path / "mix", graph, lang, tmp_path / "p"])
    assert not (tmp_path / "p").exists()
    package.main(["--trainable", packed.network, *options, tmp_path / "mix", graph, lang,
                  tmp_path / "p"])
    assert check_adaptable.main(["--unpack", tmp_path / "source", tmp_path / "p"]) == 0
    assert json.loads((tmp_path / "source/config.json").read_text()) == config
    # A package whose trainable form is of the same config.json.
    for name in ("adapt/config.json", ".done"):
        (tmp_path / "p" / name).unlink()
    write_manifest(tmp_path / "p", {"name": "p"})
    capsys.readouterr()
    assert check_adaptable.main(["--unpack", tmp_path / "no", tmp_path / "p"]) == 1
    assert "training: no, it is a mixture" in capsys.readouterr().out
    assert not (tmp_path / "no").exists()


def test_targets_of_adapting(packed, tmp_path, capsys):
    assert check_adaptable.main([packed.folder, packed.train]) == 0
    assert "data: yes" in capsys.readouterr().out
    data = tmp_path / "data"
    shutil.copytree(packed.train, data)
    feats = json.loads((data / "feats.json").read_text())
    (data / "feats.json").write_text(json.dumps({**feats, "num_ceps": 40, "fingerprint": "x"}))
    assert check_adaptable.main([packed.folder, data]) == 1
    assert "data: no" in capsys.readouterr().out
    lang = tmp_path / "lang"
    shutil.copytree(packed.lang, lang)
    (lang / "phones.txt").write_text((lang / "phones.txt").read_text().replace("a_", "ʒ_"))
    assert check_adaptable.main([packed.folder, lang]) == 0
    shown = capsys.readouterr().out
    assert "--output copy: no" in shown and "9 are in the package" in shown
    with pytest.raises(UserError, match="neither a lang nor a data directory"):
        check_adaptable.main([packed.folder, tmp_path])
