"""Epochs, checkpoints, early stopping and averaging, with a learner whose losses are written down.

The made-up learner has one weight, which each step moves in a way that depends on the batches, the
rate and the step: any difference between two trainings shows in it.
"""

import argparse
from types import SimpleNamespace

import numpy as np
import pytest

from steps.nnet import checkpoints, trainer, training
from steps.nnet.schedule import warmup_cosine
from steps.nnet.trainer import Options, Task, Trainer
from utils.step import UserError


class Variable:
    def __init__(self, value):
        self.value = np.array(value, "float64")

    dtype = property(lambda self: self.value.dtype)
    shape = property(lambda self: self.value.shape)

    def assign(self, value):
        self.value = np.array(value)

    def __array__(self, dtype=None, copy=None):
        return self.value


class Reader:
    """Batches that say where they are from."""

    def __init__(self, name, num_batches, batch_size=8):
        self.name, self.count, self.batch_size = name, num_batches, batch_size

    def num_batches(self, epoch):
        return self.count

    def batch(self, epoch, index):
        assert index < self.count
        return self.name, epoch, index


class Learner:
    """Stands in for steps.nnet.learner.Learner.

    valid   held-out loss by the weights' "epoch", which is counted in .weights[1]; None for none
    """

    valid, steps_an_epoch, ready_at = None, 4, 0

    def __init__(self, trunk, tasks, options):
        self.num_tasks = len(tasks)
        self.weights = [Variable(0.5), Variable(0.0)]
        self.state = [*self.weights, Variable(0.0)]
        self.seen, self.rates, self.train_loss = [], [], 2.0

    def train(self, batches, rate, step):
        self.seen.append(batches)
        self.rates.append(rate)
        momentum = self.state[2]
        momentum.assign(0.9 * momentum.value + rate * (1 + sum(hash(b[1:]) % 97 for b in batches)))
        self.weights[0].assign(np.sin(self.weights[0].value + momentum.value))
        self.weights[1].assign(np.array((step + 1) / self.steps_an_epoch))
        return np.array([self.train_loss * 10, 5, self.train_loss * 10, 10])

    def validate(self):
        if self.valid is None:
            return None, None
        return self.valid(self.weights[1].value.item()), 0.5

    def validate_each(self):
        loss, accuracy = self.validate()
        return None if loss is None else np.array([[loss, accuracy]] * self.num_tasks)

    def sync(self):
        pass

    def estimate_norms(self):
        pass


def losses(*of_epochs, average=None):
    """Held-out losses of epochs 1, 2, ...; `average` that of any mean of weights."""
    def valid(epoch):
        whole = epoch == round(epoch) and valid.calls < len(of_epochs)
        valid.calls += 1
        return of_epochs[round(epoch) - 1] if whole else average
    valid.calls = 0
    return valid


@pytest.fixture
def make(tmp_path, monkeypatch):
    """make(valid=..., name of option=...) -> Trainer of one task with 4 batches an epoch."""
    monkeypatch.setattr(trainer, "Learner", Learner)

    def make(valid=None, key="", tasks=(("a", 4, 8),), directory=tmp_path / "dir", **options):
        tasks = [Task(name, None, None, Reader(name, *sizes)) for name, *sizes in tasks]
        found = Trainer(None, tasks, Options(**{"num_epochs": 6, **options}), directory, key)
        found.learner.valid = valid
        return found
    return make


def weight(found):
    return [v.value.item() for v in found.learner.weights]


def kill_after(monkeypatch, step):
    """Die, as if killed, right after the checkpoint of a step."""
    write = checkpoints.write_state

    def write_and_die(path, variables, state):
        write(path, variables, state)
        if state.get("step") == step:
            raise KeyboardInterrupt
    monkeypatch.setattr(checkpoints, "write_state", write_and_die)


# epochs

def test_epochs_and_rates(make):
    found = make(losses(3, 2, 1, 1, 1, 1, average=0.5))
    found.run()
    assert found.epoch_steps == 4 and found.num_steps == 24
    assert found.learner.seen == [[("a", epoch, index)] for epoch in range(6) for index in range(4)]
    assert found.learner.rates == [warmup_cosine(step, 24, 2e-3, 2e-5, 0.1) for step in range(24)]
    assert [row["epoch"] for row in found.rows] == [1, 2, 3, 4, 5, 6]
    assert [row["valid_loss"] for row in found.rows] == [3, 2, 1, 1, 1, 1]
    first = found.rows[0]
    assert first["loss"] == 2.0 and first["accuracy"] == 0.5 and first["step"] == 4
    assert first["learning_rate"] == found.learner.rates[3] and first["seconds"] >= 0


def test_tasks_of_different_length_go_round_at_their_own_pace(make):
    found = make(tasks=(("a", 5, 6), ("b", 2, 2)), num_epochs=4)
    found.run()
    assert found.epoch_steps == 5      # (5 * 6 + 2 * 2) / 8 rounded up
    for index, count in ((0, 5), (1, 2)):
        places = [batches[index][1:] for batches in found.learner.seen]
        assert places == [divmod(n, count) for n in range(20)]


def test_plateau_halves_the_rate(make):
    found = make(losses(3, 3, 3, 2, 1, 1, average=1), schedule="plateau", warmup=0.0, patience=0)
    found.run()
    assert found.learner.rates[::4] == [2e-3, 2e-3, 2e-3, 1e-3, 1e-3, 1e-3]


def test_patience_ends_the_training(make, capsys):
    found = make(losses(3, 2, 2.5, 2.4, average=1), patience=2)
    found.run()
    assert len(found.rows) == 4
    assert "no better since epoch 2: training ends (--patience 2)" in capsys.readouterr().err
    never = make(losses(3, 4, 5, 6, 7, 8, average=1), patience=0, key="other")
    never.run()
    assert len(never.rows) == 6


def test_without_held_out_speakers_training_loss_counts(make, capsys):
    found = make(patience=2)
    found.run()
    assert len(found.rows) == 6         # the same loss again, and the later of equals is the best
    assert "average of epochs 4, 5, 6" in capsys.readouterr().err


@pytest.mark.parametrize("loss", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["train", "valid"])
def test_no_number_any_more(make, loss, where):
    found = make(losses(3, 2 if where == "train" else loss, 1, 1, 1, 1))
    train = found.learner.train

    def bad(batches, rate, step):
        if step == 6 and where == "train":
            found.learner.train_loss = loss
        return train(batches, rate, step)
    found.learner.train = bad
    with pytest.raises(UserError, match=rf"epoch 2, step {7 if where == 'train' else 8}: the loss "
                       r"is no number any more \(try a --learning-rate below 0.002, .*warmup"):
        found.run()
    again = make(losses(2, 1, 1, 1, 1, average=0.5))      # and the checkpoint is from before
    again._resume()
    assert again.step == 4


# averaging

def test_the_best_epochs_are_averaged(make, capsys):
    found = make(losses(3, 1, 5, 2, 1, 6, average=0.9), average=3)
    found.run()
    # epochs 2, 4 and 5, whose second weights are 2, 4, 5
    assert weight(found)[1] == pytest.approx(11 / 3)
    assert "average of epochs 2, 4, 5: held-out loss 0.9000, the best epoch's 1.0000" \
        in capsys.readouterr().err
    assert found.rows[-1]["final_valid_loss"] == 0.9
    kept = sorted(path.name for path in (found.directory / "checkpoints").iterdir())
    assert kept == ["epoch2.npz", "epoch4.npz", "epoch5.npz", "last.npz"]


def test_an_average_that_is_worse_is_not_taken(make, capsys):
    found = make(losses(3, 1, 5, 2, 1, 6, average=1.1), average=3)
    found.run()
    assert weight(found)[1] == 5        # of the two best, the later
    assert "epoch 5 is kept: held-out loss 1.0000, 1.1000 for the average of epochs 2, 4, 5" \
        in capsys.readouterr().err
    assert found.rows[-1]["final_valid_loss"] == 1


def test_the_last_epochs_are_averaged_where_asked(make, capsys):
    found = make(losses(1, 1, 5, 2, 3, 6, average=2.1), average=2, average_of="last")
    found.run()
    assert weight(found)[1] == pytest.approx(11 / 2)    # 5 and 6, though not the best
    assert "average of epochs 5, 6: held-out loss 2.1000\n" in capsys.readouterr().err
    kept = sorted(path.name for path in (found.directory / "checkpoints").iterdir())
    assert kept == ["epoch5.npz", "epoch6.npz", "last.npz"]


def test_epochs_before_the_learner_is_ready_are_no_result(make, capsys):
    found = make(losses(0.1, 0.2, 3, 4, 2, 5, average=1.9), average=2, patience=3)
    found.learner.ready_at = 9          # the third epoch ends after step 12
    found.run()
    assert len(found.rows) == 6         # and those two do not end the training either
    assert weight(found)[1] == 4
    assert "average of epochs 3, 5: held-out loss 1.9000, the best epoch's 2.0000" \
        in capsys.readouterr().err


def test_an_average_of_one(make):
    found = make(losses(3, 1, 2, 2, 2, 2), average=1)
    found.learner.validate = lambda: (found.learner.valid(found.learner.weights[1].value), 0.5)
    found.learner.valid = lambda epoch: [3, 1, 2, 2, 2, 2][round(float(epoch)) - 1]
    found.run()
    assert weight(found)[1] == 2


# killed, and run again

@pytest.mark.parametrize("step", [1, 3, 4, 5, 14, 23, 24])
def test_a_killed_training_goes_on(make, monkeypatch, capsys, tmp_path, step):
    options = {"checkpoint_minutes": 0, "tasks": (("a", 3, 6), ("b", 2, 3))}
    loss = dict(zip(range(1, 7), (3, 2, 1, 2.5, 1.5, 1.2), strict=True))

    def valid(epoch):
        return loss.get(epoch, 0.5)
    whole = make(valid, directory=tmp_path / "whole", **options)
    monkeypatch.setattr(Learner, "steps_an_epoch", whole.epoch_steps)
    whole.run()
    step = min(step, whole.num_steps)
    killed = make(valid, **options)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        kill_after(patch, step)
        killed.run()
    again = make(valid, **options)
    again.run()
    assert f"checkpoints: step {step} of {whole.num_steps}" in capsys.readouterr().err
    assert killed.learner.seen + again.learner.seen == whole.learner.seen
    assert weight(again) == weight(whole)
    for found, expected in zip(again.rows, whole.rows, strict=True):
        assert {**found, "seconds": 0} == {**expected, "seconds": 0}


@pytest.mark.parametrize("stopped_early", [False, True])
def test_killed_while_averaging(make, monkeypatch, stopped_early):
    loss = {1: 3, 2: 1, 3: 2, 4: 2, 5: 0.5, 6: 0.4}
    options = {"patience": 2 if stopped_early else 0}

    def valid(epoch):
        return loss.get(epoch, 0.1)
    killed = make(valid, **options)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "mean_weights",
                      lambda files: (_ for _ in ()).throw(KeyboardInterrupt))
        killed.run()
    again = make(valid, **options)
    again.run()
    assert again.learner.seen == []       # no step more, though epoch 5 would be better
    assert len(again.rows) == (4 if stopped_early else 6)
    assert weight(again)[1] == pytest.approx(2 if stopped_early else (2 + 5 + 6) / 3)


def test_another_training_does_not_go_on(make, monkeypatch, capsys):
    killed = make(key="a", checkpoint_minutes=0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        kill_after(patch, 6)
        killed.run()
    assert list((killed.directory / "tensorboard").iterdir())
    other = make(key="b")
    other.run()
    assert len(other.learner.seen) == 24
    assert "of other options or data, training starts anew" in capsys.readouterr().err
    assert len(list((other.directory / "tensorboard").iterdir())) == 1      # the other's is gone

def test_checkpoints_go_by_the_clock(make, monkeypatch):
    found, steps = make(checkpoint_minutes=2), []
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(trainer.time, "monotonic", lambda: clock.now)
    found.begun = 0.0
    train, save = found.learner.train, found._save

    def slow(*args):
        clock.now += 50
        return train(*args)
    found.learner.train = slow
    found._save = lambda: (steps.append(found.step), save())
    found.run()
    # 150 s after the last one, and at the end of each epoch of 4 steps
    assert steps == [3, 4, 7, 8, 11, 12, 15, 16, 19, 20, 23, 24]
    assert found.rows[-1]["seconds"] == 200


# options

def test_posteriors_that_are_no_numbers(make):
    found = make()
    found.learner.priors = lambda task: np.array([0.5, np.nan])
    with pytest.raises(UserError, match="dir: the trained network's posteriors are no numbers"):
        found.priors(found.tasks[0])
    found.learner.priors = lambda task: np.array([0.5, 0.5])
    assert found.priors(found.tasks[0]).tolist() == [0.5, 0.5]


def test_options_have_the_defaults_of_the_steps():
    parser = argparse.ArgumentParser()
    training.add_options(SimpleNamespace(add=parser.add_argument))
    assert training.trainer_options(parser.parse_args([])) == Options()
