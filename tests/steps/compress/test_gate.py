"""The gate, before a step that spoils a network."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from steps.compress import gate
from steps.decode import decode
from steps.score import score
from utils.step import Step, UserError

COPIED = ("final.keras", "config.json", "front_end.json", "final.mdl", "tree", "phones.txt")


@pytest.fixture
def errors(scored, tmp_path, monkeypatch):
    """Errors that decoding and scoring find, in place of both; of the baseline's 20 of 24 words."""
    errors = {"baseline": 20, "here": 20, "commands": []}
    baseline = tmp_path / "baseline"
    shutil.copytree(scored.baseline, baseline)

    def put(decode, number):
        for path in decode.glob("wer_*"):
            path.write_text(re.sub(r"\[ \d+ /", f"[ {number} /", path.read_text()))

    def run(command):
        errors["commands"].append([str(c) for c in command])
        shutil.copytree(scored.baseline, command[-1], dirs_exist_ok=True)
        put(Path(command[-1]), errors["here"])

    put(baseline, 20)
    monkeypatch.setattr(gate, "run_command", run)
    monkeypatch.setattr(scored, "baseline", baseline)
    return errors


@pytest.fixture
def spoil(scored, tmp_path):
    """A step; returns its status. .made counts how often a network was really made."""
    def run(*argv):
        step = Step(__file__, "Spoil a network.")
        gate.add_options(step, max_rise=0.05)
        step.add("--tilt", type=float, default=0.0)
        step.add("network")
        step.add("dir")
        args = step.parse(["--nj", "1", *argv, scored.network, run.dir])
        inputs = [Path(args.network) / name for name in COPIED]
        if step.up_to_date(args.dir, inputs + gate.inputs_of(args)):
            return 0

        def make(out):
            run.made += 1
            for name in COPIED:
                shutil.copyfile(scored.network / name, out / name)
            priors = np.array((scored.network / "priors").read_text().split()[1:-1], float)
            priors *= np.exp(args.tilt * np.arange(len(priors)))
            (out / "priors").write_text(f" [ {' '.join(map(str, priors))} ]\n")
            return {"method": "spoil"}
        gate.deliver(step, inputs, make, "a smaller --tilt")
        return step.finish("done")

    run.made, run.dir = 0, tmp_path / "out"
    return run


def about(directory):
    return json.loads((directory / "compress.json").read_text())


def test_what_hears_as_before_passes(spoil, scored, capsys):
    assert spoil("--baseline", scored.baseline) == 0
    made = about(spoil.dir)
    verdict = made.pop("gate")
    assert made == {"method": "spoil"}
    assert verdict["passed"] is True
    assert verdict["wer"] == verdict["baseline"]
    assert verdict["allowed"] == pytest.approx(1.05 * verdict["baseline"], abs=1e-3)
    assert verdict["dev"] == str(scored.dev)
    assert sorted(p.name for p in spoil.dir.iterdir()) == sorted(
        [*COPIED, "priors", "compress.json", ".done", "decode_dev"])
    capsys.readouterr()
    assert spoil("--baseline", scored.baseline) == 0
    assert "up to date" in capsys.readouterr().err
    assert spoil.made == 1


def test_what_it_decoded_need_not_be_decoded_again(spoil, scored, capsys):
    spoil("--baseline", scored.baseline)
    capsys.readouterr()
    there = spoil.dir / "decode_dev"
    decode.main(["--nj", "1", "--acwt", "0.1", scored.graph, scored.dev, there])
    score.main(["--nj", "1", "--word-ins-penalty", "0.0", scored.dev, scored.graph, there])
    assert capsys.readouterr().err.count("up to date") == 2
    assert not [path for path in there.rglob("*")
                if path.is_file() and b".candidate" in path.read_bytes()]
    assert json.loads((there / "scoring/summary.json").read_text())["chosen_on"] == str(there)
    decode.main(["--nj", "1", "--acwt", "0.2", scored.graph, scored.dev, there])
    assert "up to date" not in capsys.readouterr().err


def test_the_baseline_says_how_it_is_decoded(spoil, scored, errors):
    spoil("--baseline", scored.baseline)
    decoding, scoring = errors["commands"]
    assert {"--acwt=0.1", "--beam=13.0"} <= set(decoding)
    assert decoding[-3:-1] == [str(scored.graph), str(scored.dev)]
    assert {"--word-ins-penalty=0.0", "--min-lmwt=7"} <= set(scoring)
    assert scoring[-3:-1] == [str(scored.dev), str(scored.graph)]


def test_a_baseline_of_another_network_is_told(spoil, scored, errors, tmp_path, capsys,
                                               monkeypatch):
    spoil("--baseline", scored.baseline)
    assert "is neither of" not in capsys.readouterr().err
    for name in ("other", "copy"):
        shutil.copytree(scored.network, tmp_path / name, ignore=lambda *_: ["decode_dev"])
        with (tmp_path / name / "final.keras").open("ab") as file:
            file.write(b"trained on")
    source = {"source": str(scored.network)}
    (tmp_path / "copy/compress.json").write_text(json.dumps(source))
    for name, told in (("other", True), ("copy", False)):
        monkeypatch.setattr(scored, "network", tmp_path / name)
        spoil.dir = tmp_path / f"out_{name}"
        spoil("--baseline", scored.baseline)
        assert (f"WARNING: {scored.baseline} is neither of {tmp_path / name} nor of what"
                in capsys.readouterr().err) is told


def test_a_network_that_is_deaf_is_refused(spoil, scored):
    with pytest.raises(UserError, match=r"refused: WER 100.00 % .* 0.00 % is allowed "
                       r"\(try a smaller --tilt, or --no-gate\)"):
        spoil("--tilt", "9", "--baseline", scored.baseline)


@pytest.mark.parametrize(("here", "passed"), [(19, True), (20, True), (21, True), (22, False)])
def test_the_rise_is_relative(spoil, scored, errors, here, passed):
    errors["here"] = here
    spoil("--baseline", scored.baseline, "--no-gate", "--max-wer-rise", "0.05")
    verdict = about(spoil.dir)["gate"]
    assert verdict["passed"] is passed
    assert verdict["errors"] == here
    assert verdict["baseline"] == pytest.approx(100 * 20 / 24, abs=1e-4)
    assert verdict["allowed"] == pytest.approx(100 * 21 / 24, abs=1e-4)


def test_what_hears_worse_is_refused_and_kept_aside(spoil, scored, errors, capsys):
    errors["here"] = 24
    with pytest.raises(UserError) as refused:
        spoil("--baseline", scored.baseline)
    line = str(refused.value)
    assert "\n" not in line
    assert f"{spoil.dir}: refused: WER 100.00 %" in line
    assert "is allowed (try a smaller --tilt, or --max-wer-rise above 0.05, or --no-gate)" in line
    assert [p.name for p in spoil.dir.iterdir()] == [".candidate"]

    with pytest.raises(UserError, match="refused"):
        spoil("--baseline", scored.baseline)
    assert spoil("--baseline", scored.baseline, "--no-gate") == 0
    assert spoil.made == 1
    assert "WARNING: kept because of --no-gate: WER" in capsys.readouterr().err
    verdict = about(spoil.dir)["gate"]
    assert verdict["passed"] is False
    assert verdict["wer"] > verdict["allowed"]
    assert not (spoil.dir / ".candidate").exists()


def test_another_baseline_is_another_measurement_and_not_another_network(
        spoil, scored, errors, capsys):
    summary = scored.baseline / "scoring/summary.json"
    spoil("--baseline", scored.baseline)
    summary.write_text(summary.read_text() + "\n")
    errors["here"] = 19
    assert spoil("--baseline", scored.baseline) == 0
    assert "only the gate is run again" in capsys.readouterr().err
    assert (spoil.made, len(errors["commands"])) == (1, 4)
    assert about(spoil.dir)["gate"]["errors"] == 19
    assert about(spoil.dir)["method"] == "spoil"
    assert not (spoil.dir / ".candidate").exists()

    spoil("--baseline", scored.baseline, "--force")
    spoil("--baseline", scored.baseline, "--tilt", "0.001")
    (spoil.dir / "priors").unlink()
    spoil("--baseline", scored.baseline, "--tilt", "0.001")
    assert spoil.made == 4


def test_a_higher_limit_lets_it_pass(spoil, scored, errors):
    errors["here"] = 24
    with pytest.raises(UserError, match="refused"):
        spoil("--baseline", scored.baseline)
    assert spoil("--baseline", scored.baseline, "--max-wer-rise", "0.2") == 0
    assert about(spoil.dir)["gate"]["passed"] is True
    assert spoil.made == 1


def test_another_candidate_is_not_mistaken_for_this_one(spoil, scored, errors):
    errors["here"] = 24
    with pytest.raises(UserError, match="refused"):
        spoil("--baseline", scored.baseline)
    errors["here"] = 20
    assert spoil("--tilt", "1", "--baseline", scored.baseline) == 0
    assert spoil.made == 2


def test_a_network_that_is_not_finished_leaves_nothing(spoil, scored, monkeypatch):
    def full(*_):
        raise OSError("no space left")
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="no space"):
        spoil("--baseline", scored.baseline)
    assert list(spoil.dir.iterdir()) == []


def test_without_a_baseline_it_is_said_loudly(spoil, capsys):
    assert spoil() == 0
    assert about(spoil.dir)["gate"] == {"passed": None}
    assert "WARNING: no --baseline, so the gate was not run" in capsys.readouterr().err


def test_what_cannot_be_measured_is_told_first(spoil, scored, tmp_path):
    with pytest.raises(UserError, match="--dev: needs --baseline"):
        spoil("--dev", scored.dev)
    with pytest.raises(UserError, match="is no decode directory that was scored"):
        spoil("--baseline", tmp_path)
    with pytest.raises(UserError, match=r"nowhere/feats.scp: no such file \(name another"):
        spoil("--baseline", scored.baseline, "--dev", "nowhere")
    with pytest.raises(UserError, match=r"nowhere/HCLG.fst: no such file"):
        spoil("--baseline", scored.baseline, "--graph", "nowhere")
    assert not Path(spoil.dir).exists()
    assert spoil.made == 0


@pytest.mark.parametrize(("name", "file"), [("decode", "final.keras"), ("decode", "feats.scp"),
                                            ("score", "text"), ("score", "lat.1.gz")])
def test_a_baseline_of_what_has_changed_since_is_refused(spoil, scored, errors, name, file):
    path = scored.baseline / ".done"
    done = json.loads(path.read_text())
    changed, = (other for other in done[name]["inputs"] if Path(other).name == file)
    done[name]["inputs"][changed] = "what it was"
    path.write_text(json.dumps(done))
    with pytest.raises(UserError, match=f"baseline: is of another {changed} than it is now "
                       r"\(decode it and score it again\)"):
        spoil("--baseline", scored.baseline)
    assert not spoil.made and not errors["commands"]


def test_what_a_network_was_made_of_is_not_forgotten(spoil, scored, errors, tmp_path):
    errors["here"] = 24
    spoil("--baseline", scored.baseline, "--no-gate")
    first = spoil.dir
    refused = {"method": "spoil", "source": None, "gate": about(first)["gate"]}
    scored.network = first
    for number, options in enumerate([["--baseline", scored.baseline], []]):
        errors["here"] = 20
        spoil.dir = tmp_path / f"again{number}"
        spoil(*options)
        assert about(spoil.dir)["earlier"] == [refused]
    scored.network, spoil.dir = spoil.dir, tmp_path / "third"
    spoil("--baseline", scored.baseline)
    made = about(spoil.dir)
    assert made["gate"]["passed"] is True
    assert made["earlier"] == [refused, {**refused, "gate": {"passed": None}}]

    # The first is made again, and passes: then the gate of the second tells so.
    scored.network, spoil.dir = first, tmp_path / "again0"
    (first / "compress.json").write_text('{"method": "spoil", "gate": {"passed": true}}')
    spoil("--baseline", scored.baseline)
    assert "earlier" not in about(spoil.dir)


def test_what_this_gate_measures_too_is_no_earlier_step(tmp_path):
    gates = [{"method": name, "source": str(tmp_path / source), "gate": {"passed": passed}}
             for name, source, passed in (("prune", "a", False), ("factor", "b", None))]
    (tmp_path / "compress.json").write_text(json.dumps({**gates[1], "earlier": gates[:1]}))
    for network, left in (("a", []), ("b", gates[:1]), ("c", gates)):
        assert gate.earlier_of(tmp_path, tmp_path / network / "decode_dev") == left
    assert gate.earlier_of(tmp_path) == gates
    assert gate.earlier_of(tmp_path / "a") == []


def test_other_features_of_the_development_set_are_measured_again(spoil, scored, errors, tmp_path):
    dev = tmp_path / "dev"
    shutil.copytree(scored.dev, dev)
    options = ("--baseline", scored.baseline, "--dev", dev)
    spoil(*options)
    feats = json.loads((dev / "feats.json").read_text())
    (dev / "feats.json").write_text(json.dumps({**feats, "fingerprint": "x"}))
    errors["here"] = 19
    assert spoil(*options) == 0
    assert (about(spoil.dir)["gate"]["errors"], spoil.made) == (19, 1)


def test_what_is_measured_against_is_not_written_over(spoil, scored, tmp_path, monkeypatch):
    spoil.dir = scored.network / "../" / scored.network.name
    before = (scored.network / "final.keras").read_bytes()
    with pytest.raises(UserError, match="is both source and destination"):
        spoil()
    spoil.dir = tmp_path / "out"
    shutil.copytree(scored.baseline, spoil.dir / "decode_dev")
    monkeypatch.chdir(spoil.dir / "decode_dev")
    for baseline in (".", "../decode_dev", ".."):
        with pytest.raises(UserError, match=r"is in .*out, which is to be made"):
            spoil("--baseline", baseline)
    assert spoil.made == 0 and (scored.network / "final.keras").read_bytes() == before
    assert (spoil.dir / "decode_dev/scoring/summary.json").is_file()
