"""Training of acoustic networks: epochs, checkpoints, early stopping, averaging.

    trainer = Trainer(trunk, tasks, options, directory)
    trainer.run()            # goes on from directory/checkpoints if it was killed
    trainer.priors(tasks[0])
"""

import shutil
import time
from contextlib import closing

import numpy as np

from steps.nnet import checkpoints, schedule
from steps.nnet.chunks import prefetch
from steps.nnet.learner import Learner, Task, steps_of_epoch
from steps.nnet.options import Options
from steps.nnet.progress import Progress, loss_of
from utils.step import UserError, log

__all__ = ["Options", "Task", "Trainer"]


class Trainer:
    """A training from its first step, or from its last checkpoint, to the averaged network.

    trunk      keras.Model, features -> hidden
    tasks      list of Task; their models are trained in place
    options    Options
    directory  Path, where checkpoints/ and tensorboard/ are kept
    key        str, what must be the same for a checkpoint to be used
    workers    Workers that train together, or None; only the first of them writes
    learner    what to learn with, called with trunk, tasks and options; a Learner if None
    .rows      one dict an epoch, train.log.jsonl; the last one's final_valid_loss is what the
               result's held-out loss is
    """

    def __init__(self, trunk, tasks, options, directory, key="", workers=None, learner=None):
        self.tasks, self.options, self.directory, self.key = tasks, options, directory, key
        self.first = workers is None or workers.first
        self.scratch = directory if self.first else workers.scratch
        if workers:
            from steps.nnet.shared_learner import SharedLearner
            self.learner = SharedLearner(trunk, tasks, options, workers)
        else:
            self.learner = (learner or Learner)(trunk, tasks, options)
        self.epoch_steps = steps_of_epoch(tasks)
        self.num_steps = options.num_epochs * self.epoch_steps
        self.step, self.rows = 0, []
        self.sums = np.zeros(4)                   # of the epoch so far, as of frame_losses()
        self.places = [(0, 0) for _ in tasks]     # epoch and batch that each task reads next
        self.begun = time.monotonic()             # as if no time had been lost by being killed

    def run(self):
        """Train to the end; the models of the tasks then hold the final, averaged weights."""
        if not self._resume():
            shutil.rmtree(self.scratch / "tensorboard", ignore_errors=True)
        with closing(Progress(self.num_steps, self.step, self.scratch)) as progress:
            self._run_epochs(progress)
        self._average()

    def priors(self, task):
        """Posteriors averaged over training data, float64 (num_pdfs,)."""
        priors = self.learner.priors(task)
        if not np.isfinite(priors).all():
            raise UserError(self.directory, "the trained network's posteriors are no numbers",
                            "look for huge values among the features, then begin anew with --force")
        return priors

    def steps(self):
        """One training step after the other, to the last; yields the learning rate of each."""
        for batches, places in prefetch(self._batches()):
            rate = self._learning_rate()
            self.sums += self.learner.train(batches, rate, self.step)
            self.step, self.places = self.step + 1, places
            self._check_finite(self.sums)
            yield rate

    def _run_epochs(self, progress):
        if self._stop_early():      # killed when it had stopped and was about to average
            return
        saved = time.monotonic()
        for rate in self.steps():
            progress.step(self.sums[0] / max(self.sums[3], 1))
            if self.step % self.epoch_steps == 0:
                self._end_epoch(rate)
                saved = time.monotonic()
                progress.epoch(self.rows[-1], self._seconds_left())
                if self._stop_early():
                    return
            elif self.first and time.monotonic() - saved > 60 * self.options.checkpoint_minutes:
                self._save()
                saved = time.monotonic()

    def _learning_rate(self):
        o = self.options
        shape = (self.step, self.num_steps, o.learning_rate, o.final_learning_rate, o.warmup)
        if o.schedule == "plateau":
            return schedule.warmup_plateau(*shape, [loss_of(row) for row in self.rows])
        return schedule.warmup_cosine(*shape)

    def _batches(self):
        """(batches of all tasks, where each goes on after them), from self.places on."""
        places = list(self.places)
        for _ in range(self.step, self.num_steps):
            batches = []
            for index, task in enumerate(self.tasks):
                epoch, batch = places[index]
                if batch >= task.train.num_batches(epoch):
                    epoch, batch = epoch + 1, 0
                batches.append(task.train.batch(epoch, batch))
                places[index] = epoch, batch + 1
            yield batches, list(places)

    def _end_epoch(self, rate):
        cross_entropy, hits, _, frames = self.sums
        each = self.learner.validate_each()
        if each is not None:
            self._check_finite(each)
        valid_loss, valid_accuracy = (None, None) if each is None else each.mean(0).tolist()
        spent = self._seconds() - sum(row["seconds"] for row in self.rows)
        self.rows.append({
            "epoch": self.step // self.epoch_steps, "step": self.step, "learning_rate": rate,
            "loss": cross_entropy / max(frames, 1), "accuracy": hits / max(frames, 1),
            "valid_loss": valid_loss, "valid_accuracy": valid_accuracy,
            "seconds": round(spent, 2)})
        if each is not None and len(self.tasks) > 1:
            self.rows[-1]["each"] = {task.name: values for task, values in
                                     zip(self.tasks, each.tolist(), strict=True)}
        self.sums = np.zeros(4)
        if self.first:
            checkpoints.write_weights(self._epoch_file(self.rows[-1]["epoch"]),
                                      self.learner.weights)
            self._save()      # what goes on from there needs no stale file
            for stale in self._to_average()[self.options.average:]:
                self._epoch_file(stale).unlink(missing_ok=True)

    def _check_finite(self, values):
        """UserError if numbers are none any more: the last checkpoint is from before that."""
        if not np.isfinite(values).all():
            epoch = (self.step - 1) // self.epoch_steps + 1
            raise UserError(f"epoch {epoch}, step {self.step}", "the loss is no number any more",
                            f"try a --learning-rate below {self.options.learning_rate:g}, a "
                            "longer --warmup, or a --clip-norm of 1")

    def _seconds(self):
        return time.monotonic() - self.begun

    def _seconds_left(self):
        return self._seconds() / self.step * (self.num_steps - self.step)

    def _ranked(self):
        """Epochs from the best to the worst by held-out loss, the later first of equals.

        Those before the learner's .ready_at step are none that could be the result.
        """
        return [row["epoch"] for row in
                sorted(self.rows, key=lambda row: (loss_of(row), -row["epoch"]))
                if row["step"] >= self.learner.ready_at]

    def _to_average(self):
        """Epochs from the first to be averaged to the last."""
        ranked = self._ranked()
        return sorted(ranked, reverse=True) if self.options.average_of == "last" else ranked

    def _stop_early(self):
        patience, ranked = self.options.patience, self._ranked()
        if not patience or not ranked:
            return False
        best = ranked[0]
        if self.rows[-1]["epoch"] - best < patience:
            return False
        log(f"no better since epoch {best}: training ends (--patience {patience})")
        return True

    def _average(self):
        """Average epochs' weights; of the best, if that is worse than the best one, take that.

        The average gets batch norms of its own, the best epoch keeps those it was measured with.
        """
        best = self._to_average()[:self.options.average]
        self._take_mean(best)
        self.learner.estimate_norms()
        listed = ", ".join(map(str, sorted(best)))
        averaged = self.learner.validate()[0]
        single = min(loss_of(row) for row in self.rows if row["epoch"] in best)
        if averaged is None:
            log(f"average of epochs {listed}")
        elif self.options.average_of == "last":
            log(f"average of epochs {listed}: held-out loss {averaged:.4f}")
        elif averaged <= single:
            log(f"average of epochs {listed}: held-out loss {averaged:.4f}, the best epoch's "
                f"{single:.4f}")
        else:
            self._take_mean(best[:1])
            log(f"epoch {best[0]} is kept: held-out loss {single:.4f}, {averaged:.4f} for the "
                f"average of epochs {listed}")
            averaged = single
        if averaged is not None and len(self.tasks) == 1:
            self.rows[-1]["final_valid_loss"] = averaged

    def _take_mean(self, epochs):
        """Take epochs' mean weights, which the first of several workers reads for all."""
        if self.first:
            files = [self._epoch_file(epoch) for epoch in epochs]
            checkpoints.assign(self.learner.weights, checkpoints.mean_weights(files))
        self.learner.sync()

    # checkpoints

    def _epoch_file(self, epoch):
        return self.directory / "checkpoints" / f"epoch{epoch}.npz"

    def _save(self):
        checkpoints.write_state(
            self.directory / "checkpoints" / "last.npz", self.learner.state,
            {"key": self.key, "step": self.step, "places": self.places, "rows": self.rows,
             "sums": self.sums.tolist(), "seconds": self._seconds()})

    def _resume(self):
        """True if there is a checkpoint of this very training to go on from."""
        state = checkpoints.read_state(self.directory / "checkpoints" / "last.npz",
                                       self.learner.state, self.key)
        if not state:
            return False
        self.step, self.rows = state["step"], state["rows"]
        self.places = [tuple(place) for place in state["places"]]
        self.sums = np.array(state["sums"])
        self.begun = time.monotonic() - state["seconds"]
        log(f"goes on from {self.directory}/checkpoints: step {self.step} of {self.num_steps}")
        return True
