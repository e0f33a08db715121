import json

import pytest

from steps.nnet.jobs import read_front_end
from steps.nnet.network import (
    config_to_train,
    load_model,
    read_config,
    read_network,
    read_priors,
    save_model,
    write_network,
    write_priors,
)
from utils.json_file import read_json
from utils.step import UserError

keras = pytest.importorskip("steps.nnet.tf").keras


def small(seed):
    from steps.nnet.architectures import add_output, build_trunk
    from steps.nnet.tf import seed as set_seed
    set_seed(seed)
    return add_output(build_trunk("dnn", {"hidden_dim": 8, "num_layers": 1}, 5)[0], 4)


def test_the_same_network_is_the_same_file(tmp_path):
    save_model(tmp_path / "a.keras", small(3))
    # Another object, as in another process, at another address.
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(keras.DTypePolicy("float32"))
    try:
        save_model(tmp_path / "b.keras", small(3))
    finally:
        keras.config.set_dtype_policy(before)
    save_model(tmp_path / "c.keras", small(4))
    a, b, c = ((tmp_path / f"{name}.keras").read_bytes() for name in "abc")
    assert a == b != c
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.keras", "b.keras", "c.keras"]


def test_it_is_read_again(tmp_path):
    import numpy as np
    model = small(3)
    save_model(tmp_path / "a.keras", model)
    feats = np.random.default_rng(0).standard_normal((2, 40, 5), np.float32)
    np.testing.assert_array_equal(load_model(tmp_path / "a.keras")(feats), model(feats))


def test_priors(tmp_path):
    write_priors(tmp_path / "priors", [0.25, 0.75])
    assert (tmp_path / "priors").read_text() == " [ 0.25 0.75 ]\n"
    assert read_priors(tmp_path / "priors").tolist() == [0.25, 0.75]
    (tmp_path / "priors").write_text("0.25 0.75\n")
    with pytest.raises(UserError, match="priors:1: is no vector"):
        read_priors(tmp_path / "priors")
    for data in (b"[ 1 nan ]", b"[ 1 -1 ]", b"\xff"):
        (tmp_path / "priors").write_bytes(data)
        with pytest.raises(UserError, match="priors:1: is no vector"):
            read_priors(tmp_path / "priors")
    with pytest.raises(UserError, match="cannot be read, no such file"):
        read_priors(tmp_path / "none")


@pytest.mark.parametrize(("text", "message"), [
    ("{", "is damaged"), ("[]", "is damaged"), ('{"feat_dim": 5}', "num_pdfs"),
    ('{"feat_dim": 5, "num_pdfs": 4, "subsampling": 0, "left_context": 0, "right_context": 0}',
     "subsampling is no number"),
    ('{"feat_dim": 5, "num_pdfs": 4, "subsampling": 1, "left_context": -1, "right_context": 0}',
     "left_context is no number"),
])
def test_a_damaged_config_is_named(tmp_path, text, message):
    (tmp_path / "final.keras").touch()
    (tmp_path / "priors").touch()
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=f"config.json: .*{message}"):
        read_config(tmp_path)


def test_what_a_config_lacks_is_named_where_training_goes_on(tmp_path):
    (tmp_path / "config.json").write_text('{"arch": "tdnn", "quantized": 8}')
    config = config_to_train(read_json(tmp_path / "config.json"))
    assert config == {"arch": "tdnn"}
    with pytest.raises(UserError, match=r"config\.json: is damaged, it has no num_params"):
        config["num_params"]


CONFIG = {"feat_dim": 5, "num_pdfs": 4, "subsampling": 3, "left_context": 12, "right_context": 12}


@pytest.mark.parametrize("name, value", [("feat_dim", 6), ("subsampling", 1), ("left_context", 9),
                                         ("right_context", 13)])
def test_a_config_of_another_network_is_named(tmp_path, name, value):
    write_network(tmp_path, small(3), CONFIG, [0.25] * 4)
    assert read_network(tmp_path).context == (12, 12)
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, name: value}))
    with pytest.raises(UserError, match=rf"config.json: {name} is {value}, final.keras has "
                                        f"{CONFIG[name]} .*different networks"):
        read_network(tmp_path)


@pytest.mark.parametrize("harm", [lambda data: b"", lambda data: data[:len(data) // 2]])
def test_a_network_that_is_cut_off_is_named(tmp_path, harm):
    path = tmp_path / "final.keras"
    save_model(path, small(3))
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(UserError, match=r"final.keras: cannot be read \(it is cut off"):
        load_model(path)


@pytest.mark.parametrize("text", ["", "[]", '{"feats": [1]}', '{"feats": {'])
def test_a_damaged_front_end_is_named(tmp_path, text):
    (tmp_path / "front_end.json").write_text(text)
    with pytest.raises(UserError, match=r"front_end.json: is damaged"):
        read_front_end(tmp_path)


@pytest.mark.parametrize("text", ["{}", '{"feats": null}'])
def test_features_that_tell_nothing_of_themselves(tmp_path, text):
    (tmp_path / "front_end.json").write_text(text)
    assert read_front_end(tmp_path)["feats"] == {}
