import numpy as np
import pytest

from steps.hmm import make_mono_tree
from steps.hmm.model import check_phones, read_transitions
from steps.hmm.tree import Tree
from tests.steps.hmm.small import make_lang
from utils.step import UserError


def test_tree_and_transitions_of_a_lang_directory(tmp_path, capsys):
    lang = make_lang(tmp_path)
    assert make_mono_tree.main([lang.path, tmp_path / "mono"]) == 0
    tree = Tree.read(tmp_path / "mono/tree")
    transitions = read_transitions(tmp_path / "mono/final.mdl")
    check_phones(tmp_path / "mono", lang)
    assert tree.num_pdfs == transitions.num_pdfs == 5 + 5 + 3 + 3
    assert tree.pdf((lang.phones["b"],), 2) == 15
    loops = transitions.tid_is_self_loop & (transitions.tid2phone == lang.phones["a"])
    np.testing.assert_allclose(np.exp(transitions.log_probs[loops]), 0.75, rtol=1e-6)
    capsys.readouterr()
    assert make_mono_tree.main([lang.path, tmp_path / "mono"]) == 0
    assert "up to date" in capsys.readouterr().err


def test_what_is_missing_is_named(tmp_path):
    lang = make_lang(tmp_path)
    (lang.path / "topo").unlink()
    with pytest.raises(UserError, match="topo: no such file"):
        make_mono_tree.main([lang.path, tmp_path / "mono"])
    assert not (tmp_path / "mono").exists()
