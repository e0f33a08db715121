"""What DESIGN.md promises of one step, held by all of them.

Each step is run again with a command line that the root recipe's run on a tiny corpus has logged,
or with one of COMMANDS: where its results stand and nothing has changed it does nothing; an option,
an input or --force make it run; killed it leaves nothing that looks finished, and the same command
completes it; an error leaves the results as they were. A step that is in neither fails the test,
unless DIFFERENT says why it keeps another contract.
"""

import ast
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.an4_layout import make_an4
from tests.commonvoice_layout import make_commonvoice
from tests.fsdd_layout import make_fsdd
from tests.librispeech_layout import make_librispeech
from tests.mboshi_layout import make_mboshi
from tests.speechocean762_layout import make_speechocean762
from tests.step_runner import HAS_TO_RUN, MADE, snapshot
from utils.step import ROOT, VERSION

# Steps without .done, which run whenever they are called.
DIFFERENT = {
    "steps/nnet/benchmark.py": "measures this machine, which .done cannot know",
    "steps/nnet/info.py": "prints",
    "steps/package/transcribe.py": "prints, or writes beside what it was given",
    "steps/score/compare_wer.py": "prints",
    "steps/score/learning_curve.py": "draws what is scored, in a moment",
    "steps/score/results.py": "prints what is scored, in a moment",
    "steps/score/table.py": "prints what is scored, in a moment",
    "utils/data/fix_data_dir.py": "repairs its input, of which it keeps .backup",
    "utils/data/validate_data_dir.py": "prints",
    "utils/doctor.py": "prints",
    "utils/lang/perplexity.py": "prints",
    "utils/lang/validate_dict_dir.py": "prints",
    "utils/lang/validate_lang.py": "prints",
    "utils/new_recipe.py": "makes what its user is to edit, so it never writes there twice",
}

# Of these a file that is gone is an utterance fewer.
FILE_EACH = {"egs/mboshi/local/prepare_data.py"}

# Of steps that the root recipe does not call, or that have a quicker way to run than there; in an
# order that lets one have what another made. new/ is made for them.
COMMANDS = """
utils/data/combine_data.py new/both data/fr/dev data/fr/test
utils/data/get_utt2dur.py new/both
steps/features/compute_vad.py new/both
steps/features/paste_feats.py data/fr/dev data/fr/nnet/dev new/joined
utils/data/import_corpus.py --table new/table.tsv corpus/fr new/raw
utils/data/normalise_text.py egs/TEMPLATE/conf/normalise.tsv new/both new/normal
utils/data/perturb_noise.py data/fr/dev new/noise
utils/data/perturb_reverb.py data/fr/dev new/reverb
utils/data/perturb_volume.py data/fr/dev new/volume
utils/data/split_data.py new/both 2
utils/data/split_sets.py new/dev new/test data/fr/train new/sets
utils/data/subset_data_dir.py --first data/fr/train 12 new/few
utils/lang/prepare_dict_graphemes.py data/fr/train/text new/dict
utils/lang/prepare_dict_lexicon.py data/fr/dict/lexicon.txt data/fr/train/text new/dict_lexicon
utils/lang/prepare_dict_subwords.py --vocab-size 40 data/fr/train/text new/dict_bpe
utils/lang/prepare_lang.py new/dict_bpe '<UNK>' new/lang_bpe
utils/lang/apply_subwords.py new/lang_bpe data/fr/lm.txt new/text_bpe/text
utils/lang/prune.py --threshold 1e-4 data/fr/lm/3gram.arpa new/lm/pruned.arpa
utils/lang/interpolate.py --weight 0.5 data/fr/lm/3gram.arpa new/lm/pruned.arpa new/lm/mixed.arpa
steps/hmm/make_mono_tree.py data/fr/lang new/mono_tree
steps/hmm/adapt_map.py data/fr/train exp/fr/tri1_ali exp/fr/tri1 new/map
steps/hmm/ali_to_ctm.py data/fr/train data/fr/lang exp/fr/tri1_ali new/ctm/ctm
steps/hmm/ali_to_textgrid.py data/fr/train data/fr/lang exp/fr/tri1_ali new/textgrid
steps/hmm/make_fmllr_feats.py --nj 1 data/fr/dev exp/fr/tri3b exp/fr/tri3b/decode_dev new/fmllr
steps/decode/lattice_to_ctm.py --lmwt 10 data/fr/dev exp/fr/tri3b/graph exp/fr/tri3b/decode_dev
steps/decode/lattice_to_nbest.py --nj 1 --n 2 exp/fr/tri3b/graph exp/fr/tri3b/decode_dev new/nbest
steps/decode/rescore.py --nj 1 exp/fr/tri3b/graph data/fr/lm/3gram.arpa new/lm/pruned.arpa \
  exp/fr/tri3b/decode_dev new/rescored
steps/score/combine.py --nj 1 data/fr/dev exp/fr/tri3b/graph exp/fr/tri3b/decode_dev \
  exp/fr/tdnn/decode_dev new/together
steps/nnet/train.py --config conf/tdnn.conf --num-epochs 1 data/fr/nnet/train exp/fr/tri3b new/tdnn
steps/nnet/compute_posteriors.py --nj 1 data/fr/nnet/dev exp/fr/tdnn new/post
steps/nnet/align.py --nj 1 data/fr/nnet/dev data/fr/lang exp/fr/tdnn new/tdnn_ali
steps/nnet/train_multi.py --config conf/tdnn.conf --num-epochs 1 new/multi \
  en=data/fr/nnet/train,exp/fr/tri3b fr=data/fr/nnet/train,exp/fr/tri3b
steps/nnet/train_mmi.py --num-epochs 1 --xla false data/fr/nnet/train exp/fr/tri3b exp/fr/tdnn \
  new/mmi
steps/transfer/mix.py exp/fr/tdnn exp/fr/tdnn_transfer new/mix
steps/transfer/transfer.py --xla false --adapters lora=2 --num-epochs 1 \
  exp/fr/tdnn data/fr/nnet/train exp/fr/tri3b new/adapted
steps/transfer/apply_adapter.py exp/fr/tdnn new/adapted new/merged
steps/compress/factor.py --num-epochs 0 --size-target 0.9 exp/fr/tdnn data/fr/nnet/train \
  exp/fr/tri3b new/factored
steps/compress/prune.py --num-epochs 0 exp/fr/tdnn data/fr/nnet/train exp/fr/tri3b new/pruned
steps/compress/distill.py --xla false --arch dnn --sizes hidden_dim=16 --num-epochs 1 exp/fr/tdnn \
  data/fr/nnet/train exp/fr/tri3b new/student
steps/compress/quantize.py --scheme float16 exp/fr/tdnn new/float16
steps/compress/quantize_aware.py --xla false --num-epochs 1 --scheme int8 exp/fr/tdnn \
  data/fr/nnet/train exp/fr/tri3b new/aware
steps/compress/benchmark.py --utts 1 --rounds 1 data/fr/nnet/dev new/benchmark \
  float=exp/fr/tdnn,exp/fr/tdnn/decode_dev,exp/fr/tdnn/decode_test
steps/package/check_adaptable.py --unpack new/unpacked exp/fr/package.zip
egs/an4/local/prepare_data.py --hold-out 1 new/an4 new/of_an4
egs/an4/local/prepare_dict.py new/an4 new/of_an4/dict
egs/speechocean762/local/prepare_data.py --hold-out 1 new/so new/of_so
egs/english/local/merge_lexica.py new/of_both/lexicon.txt new/an4/etc/an4.dic \
  new/so/resource/lexicon.txt
egs/accent/local/prepare_data.py --age-group child new/of_so new/of_children
egs/mboshi/local/prepare_data.py --dev 5 new/mboshi new/of_mboshi
egs/digits/local/prepare_data.py --takes 1 new/fsdd new/of_fsdd
egs/digits/local/make_grammar.py new/of_fsdd/lucas/others/train/text new/digits/digits.arpa
egs/librispeech/local/prepare_data.py new/librispeech train-clean-5 new/of_librispeech
egs/commonvoice/local/prepare_data.py --language fr new/commonvoice new/of_commonvoice
"""

GARBAGE = b"\x80 garbage \xff\n" * 3


def is_step(tree):
    return any(isinstance(node, ast.Call) and ast.unparse(node.func) == "Step"
               and node.args and ast.unparse(node.args[0]) == "__file__" for node in ast.walk(tree))


TREES = {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8"))
         for top in ("local", "steps", "utils") for path in sorted((ROOT / top).rglob("*.py"))}
TREES |= {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8"))
          for path in sorted(ROOT.glob("egs/*/local/*.py"))}
STEPS = [path for path, tree in TREES.items() if is_step(tree)]
# Downloads are tested against a server of their own, see tests/utils/data/test_download.py.
DOWNLOADS = [path for path in STEPS if path.endswith("/download.py")]


@pytest.mark.parametrize("script", STEPS)
def test_how_it_is_written(script):
    calls = [(node.lineno, ast.unparse(node.func), node) for node in ast.walk(TREES[script])
             if isinstance(node, ast.Call)]
    main, = (node for node in TREES[script].body
             if isinstance(node, ast.FunctionDef) and node.name == "main")
    assert ast.unparse(main.args) == "argv=None"
    assert all(node.value for node in ast.walk(main) if isinstance(node, ast.Return))
    made, = (node for _, name, node in calls if name == "Step")
    assert [ast.unparse(argument) for argument in made.args[:2]] == ["__file__", "__doc__"]
    asked = [line for line, name, _ in calls if name.endswith(".up_to_date")]
    if script in DOWNLOADS:
        assert any(name in ("fetch_corpus", "fetch_archive", "fetch") for _, name, _ in calls)
    elif script in DIFFERENT:
        assert not asked, f"is in DIFFERENT: {DIFFERENT[script]}"
    else:
        assert asked, "has no up_to_date(), and is not in DIFFERENT"
        assert any(name == "step.finish" for _, name, _ in calls)
        assert all(line > min(asked) for line, name, _ in calls if name == "step.output")


def test_different_ones_are_there():
    assert sorted(DIFFERENT) == [script for script in STEPS if script in DIFFERENT]


class Runner:
    """Runs steps by tests/step_runner.py and tests/fork_server.py, with a recipe's environment."""

    def __init__(self, server, directory):
        self.python, self.directory = server.python, directory
        self.environment = {**os.environ, **server.environment, "PYTHONPATH": str(ROOT),
                            "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1",
                            "GRAFT_THREADS": "1"}

    def __call__(self, script, argv, until="end"):
        """Exit status and what it said, in lines."""
        early = self.directory / "early"
        early.write_text("[]")
        done = subprocess.run(
            [self.python, ROOT / "tests/step_runner.py", until, early, script, *argv], cwd=ROOT,
            env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            check=False)
        assert not json.loads(early.read_text()), "changed before the results were whole"
        return done.returncode, done.stdout.splitlines()


class Replayed:
    """A step and a command line of it in the recipe's directory."""

    def __init__(self, runner, tree, script, argv):
        self.runner, self.tree, self.script, self.argv = runner, tree, script, argv
        self.command = shlex.join([script, *argv])

    def run(self, *options, until="end"):
        return self.runner(self.script, [*options, *self.argv], until)

    def find(self):
        """Directory and name of what .done has of it, and that; None if nothing has."""
        for path in self.tree.rglob(".done"):
            for name, entry in json.loads(path.read_text("utf-8")).items():
                if entry["command"] in (self.command, shlex.join(
                        [self.script, "--force", *self.argv])):
                    return path.parent, name, entry
        return None

    def completes(self):
        """Killed when all results are in their places, it is not finished, and then it is."""
        status, said = self.run("--force", until="moved")
        assert status == -9, said
        assert self.find() is None, "killed, and .done says that it is finished"
        status, said = self.run()
        assert status == 0, said
        directory, _, entry = self.find()
        assert all((directory / name).exists() for name in entry["outputs"])
        assert not list(directory.glob(".*.tmp"))

    def is_recorded(self):
        directory, _, entry = self.find()
        assert entry["options"] and entry["outputs"]
        assert entry["inputs"]
        assert entry["version"] == VERSION and entry["seconds"] >= 0
        assert all((directory / name).exists() for name in entry["outputs"])

    def does_nothing_twice(self):
        directory = self.find()[0]
        before = snapshot(directory)
        status, said = self.run()
        assert status == 0, said
        assert any("up to date (--force runs it again)" in line for line in said), said
        assert snapshot(directory) == before

    def runs_for_a_reason(self):
        directory, name, entry = self.find()
        assert self.run("--force", until="checked")[0] == HAS_TO_RUN
        done = directory / ".done"
        kept = done.read_bytes()
        option = next(iter(entry["options"]))
        record = json.loads(kept)
        record[name]["options"][option] = "as it never was"
        done.write_text(json.dumps(record))
        status, said = self.run(until="checked")
        done.write_bytes(kept)
        assert status == HAS_TO_RUN, said

    def refuses(self, how):
        """An input that is gone or garbage makes it run, and end with a line and status 1."""
        directory, _, entry = self.find()
        inputs = [Path(name) for name in entry["inputs"] if Path(name).is_relative_to(self.tree)]
        # First what no data directory is without, as many a file is one that need not be there.
        needed = [path for path in inputs if path.name == "utt2spk"]
        tried = list(dict.fromkeys([*needed[:1], *inputs[:1], *inputs[-1:], *inputs[:4]]))
        before = snapshot(directory)
        for path in tried:
            hidden = path.with_name(f"{path.name}.hidden")
            path.rename(hidden)
            try:
                if how == "garbage":
                    path.write_bytes(GARBAGE)
                status, said = self.run(until="made")
            finally:
                path.unlink(missing_ok=True)
                hidden.rename(path)
            told = f"{path.relative_to(self.tree)} is {how}: {said}"
            assert status in (1, MADE), told
            if status == 1:
                assert not any(line.startswith("Traceback") for line in said), told
                assert re.match(r"[\w.]+: ", said[-1]), told
                assert snapshot(directory) == before, told
                return
            before = snapshot(directory)    # without what the new results would have replaced
        if how == "gone" and self.script in FILE_EACH:
            return
        assert not inputs, f"{how} or not, it takes {', '.join(map(str, tried))}"


def commands_of(log):
    """[(script, argv)] of a recipe's log."""
    found = re.findall(r"^\w+: ((?:egs|local|steps|utils)/\S+\.py)(?: (.*))?$", log, re.M)
    return [(script, shlex.split(rest)) for script, rest in found]


def own_commands(tree, tiny):
    """[(script, argv)] of COMMANDS; what they need is put into new/."""
    new = tree / "new"
    new.mkdir()
    make_an4(new / "an4", tiny)
    make_speechocean762(new / "so", tiny)
    make_mboshi(new / "mboshi", tiny)
    make_fsdd(new / "fsdd", takes=11)
    make_librispeech(new / "librispeech", tiny)
    make_commonvoice(new / "commonvoice", tiny)
    rows = [line.split("\t") for line in (tree / "corpus/fr/utts.tsv").read_text().splitlines()]
    (new / "table.tsv").write_text("path\tspeaker\ttext\n" + "".join(
        f"{spk}/{utt}.flac\t{spk}\t{text}\n" for _, utt, spk, _, text in rows))
    train = [utt for part, utt, *_ in rows if part == "train"]
    (new / "dev").write_text(f"{train[0]}\n")
    (new / "test").write_text(f"{train[1]}\n")
    text = re.sub(r"(?<![\w/.-])(conf|corpus|data|exp|new)/", rf"{tree}/\1/",
                  COMMANDS.replace("\\\n", " "))
    return [(script, argv) for script, *argv in map(shlex.split, text.strip().splitlines())]


def test_every_step_on_a_recipe(server, root_recipe, tiny, tmp_path, subtests):
    tree, runner = root_recipe.path, Runner(server, tmp_path)
    seconds = {entry["command"]: entry["seconds"] for path in tree.rglob(".done")
               for entry in json.loads(path.read_text("utf-8")).values()}
    own = [Replayed(runner, tree, *command) for command in own_commands(tree, tiny)]
    logged = {}
    for number, command in enumerate(commands_of(root_recipe.log)):
        step = Replayed(runner, tree, *command)
        if step.command in seconds and step.script not in {other.script for other in own}:
            logged.setdefault(step.script, []).append((seconds[step.command], number, step))
    # The quickest of each script's commands, in the recipe's order.
    quickest = sorted((min(found, key=lambda one: one[:2]) for found in logged.values()),
                      key=lambda one: one[1])
    steps = [*(step for *_, step in quickest), *own]
    assert {step.script for step in steps} == {*STEPS} - {*DIFFERENT, *DOWNLOADS}, \
        "see COMMANDS and DIFFERENT"

    for step in own:
        with subtests.test("killed", step=step.script):
            step.completes()
    for step in steps:
        for check in (step.is_recorded, step.does_nothing_twice, step.runs_for_a_reason):
            with subtests.test(check.__name__, step=step.script):
                check()
    # What a step makes is another's input, so the last one is the first.
    for step in reversed(steps):
        for how in ("gone", "garbage"):
            with subtests.test(how, step=step.script):
                step.refuses(how)
        if step not in own:
            with subtests.test("killed", step=step.script):
                step.completes()
                step.does_nothing_twice()
