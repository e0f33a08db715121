"""What a training shows of itself: a bar with the time left, TensorBoard's logs, progress.png."""

import json
import sys

from utils.data.tables import read_lines
from utils.step import UserError, log


def loss_of(row):
    """What epochs are compared by: held-out loss, where there is one. row: of train.log.jsonl"""
    return row["loss"] if row["valid_loss"] is None else row["valid_loss"]


def rows_of(name, rows):
    """A training's rows with the held-out loss of one of its tasks as theirs, if it has several."""
    return [{**row, "valid_loss": row["each"][name][0], "valid_accuracy": row["each"][name][1]}
            if "each" in row else row for row in rows]


class Progress:
    """Bar and logs of one training.

    num_steps      in all;  first  steps done before, by a run that was killed
    directory      where TensorBoard's logs go (tensorboard/)
    """

    def __init__(self, num_steps, first, directory):
        from tqdm import tqdm

        from steps.nnet.tf import tf
        self._bar = tqdm(total=num_steps, initial=first, unit="step", file=sys.stderr,
                         disable=not sys.stderr.isatty(), mininterval=0.5, leave=False)
        # TensorFlow's own operations write what the package tensorboard shows, without the package.
        ops = self._ops = tf.raw_ops
        self._writer = ops.SummaryWriter(shared_name=str(directory))
        ops.CreateSummaryFileWriter(writer=self._writer, logdir=str(directory / "tensorboard"),
                                    max_queue=10, flush_millis=10000, filename_suffix=".train")

    def step(self, loss):
        """One step more; loss: mean of the epoch so far."""
        self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        self._bar.update(1)

    def epoch(self, row, seconds_left):
        """One line in the log, one point in TensorBoard's curves. row: as in train.log.jsonl"""
        self._bar.clear()
        held_out = ("" if row["valid_loss"] is None else
                    f", held out {row['valid_loss']:.4f} ({100 * row['valid_accuracy']:.2f} %)")
        log(f"epoch {row['epoch']}: loss {row['loss']:.4f} ({100 * row['accuracy']:.2f} % of "
            f"frames right){held_out}, learning rate {row['learning_rate']:.2e}, "
            f"{row['seconds']:.1f} s, {seconds_left / 60:.1f} min left")
        curves = {name: row[name] for name in row if name not in ("epoch", "step", "each")}
        for task, (loss, accuracy) in row.get("each", {}).items():
            curves |= {f"valid_loss/{task}": loss, f"valid_accuracy/{task}": accuracy}
        for name, value in curves.items():
            if value is not None:
                self._ops.WriteScalarSummary(writer=self._writer, step=row["step"], tag=name,
                                             value=float(value))
        self._ops.FlushSummaryWriter(writer=self._writer)

    def close(self):
        self._bar.close()
        self._ops.CloseSummaryWriter(writer=self._writer)


def write_log(path, rows):
    """train.log.jsonl: one JSON object an epoch."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_log(path, of_row):
    """[of_row(row)] of the epochs of a train.log.jsonl.

    raises  UserError with the line where of_row raises a KeyError, TypeError or ValueError
    """
    found = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            found.append(of_row(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}:{number}", f"is no epoch of a training, {error}",
                            "train again") from None
    return found


def draw(path, rows, title):
    """progress.png: losses, share of frames right, and learning rate over the epochs."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    for axis, key, label in ((axes[0], "loss", "loss, nats a frame"),
                             (axes[1], "accuracy", "frames right")):
        axis.plot(epochs, [row[key] for row in rows], color="#4477aa", marker=".",
                  label="training (with augmentation)")
        if rows[0][f"valid_{key}"] is not None:
            axis.plot(epochs, [row[f"valid_{key}"] for row in rows], color="#cc3311", marker=".",
                      label="held-out speakers")
        axis.set_ylabel(label)
    axes[0].legend(frameon=False)
    axes[2].plot(epochs, [row["learning_rate"] for row in rows], color="#228833", marker=".")
    axes[2].set_ylabel("learning rate at the end of the epoch")
    for axis in axes:
        axis.set_xlabel("epoch")
        axis.spines[["top", "right"]].set_visible(False)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    figure.suptitle(title)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    pyplot.close(figure)
