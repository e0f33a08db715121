"""Recipes from end to end: how tests run them, quickly."""

import os
import re
import shutil
import subprocess

from utils.step import ROOT

NETWORK = """--sizes=hidden_dim=48 offsets=1,2
--batch-size=4
--num-epochs=8
--learning-rate=0.005
--xla=false
"""
FURTHER = """--batch-size=4
--num-epochs=2
--learning-rate=0.002
--xla=false
"""
LM_WEIGHTS = """--min-lmwt=9
--max-lmwt=12
--word-ins-penalty=0.0,1.0
"""


def run(recipe, *options, server=None):
    """A recipe's stderr, without utils/side_by_side.sh's marks; a failure shows the end of it.

    server  the fixture: its scripts are run by tests/fork_server.py, in a third of the time
    """
    command = ["bash", recipe, *map(str, options)]
    # pytest's own environment must not help the recipe along.
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment.update(server.environment if server else {})
    done = subprocess.run(command, cwd=ROOT.parent, env=environment, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return re.sub(r"^\[\S+\] ", "", done.stderr, flags=re.M)


def quick_conf(recipe, directory):
    """A copy of a recipe's conf files, but with little to do: few Gaussians and iterations, a small
    network, few LM weights.

    Leaves gain little likelihood where there is little speech, and LDA needs 40 of them.
    """
    shutil.copytree(recipe / "conf", directory)

    def append(text, *names):
        for name in names:
            for path in directory.glob(f"{name}.conf"):
                path.write_text(path.read_text() + text)

    append("--total-gaussians=400\n--num-iters=7\n", "mono*", "tri*")
    append("--realign-iters=3 6\n--tree-threshold=250\n", "tri*")
    append(NETWORK, "nnet", "tdnn*")
    append(FURTHER, "mmi", "transfer", "kept", "lhuc", "pruned", "pruned[0-9]*", "half", "factored",
           "student", "multi", "multi_tuned")
    append("--sizes=hidden_dim=32 offsets=1,2\n", "student")
    append(LM_WEIGHTS, "score")
    append("--max-wer-rise=9\n", "pruned*", "int*")   # of so few words
    for path in directory.glob("nnet_*.conf"):
        path.write_text("--num-epochs=8\n")
    return directory
