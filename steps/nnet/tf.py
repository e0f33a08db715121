"""TensorFlow and Keras as all of steps/nnet uses them: quiet, repeatable, with the threads given.

    from steps.nnet.tf import keras, tf

KERAS_BACKEND is set to tensorflow. GRAFT_THREADS bounds the threads of this process, for several
jobs on one machine; without it all cores are used. A GPU is used where TensorFlow sees one.
"""

import os
import sys
from contextlib import contextmanager

from steps.nnet.threads import cores, threads_asked_for, told
from utils.hushed import hushed

THREADS = threads_asked_for()

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextmanager
def hidden(*names):
    """Packages that are not read yet cannot be imported inside; after it they can."""
    names = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


# Of CPU instructions and of a GPU that is not there it tells before it can be told not to. For
# what is not used here Keras would spend half of its start.
with hushed(), hidden("sklearn", "matplotlib", "pandas"):
    import keras
    import tensorflow as tf


def _configure():
    if THREADS:
        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_op_determinism()


def seed(number):
    """Seed everything that TensorFlow, Keras and numpy draw at random in this process."""
    keras.utils.set_random_seed(number % 2 ** 32)


def devices():
    """What training runs on, in words: "1 GPU" or "2 CPU threads"."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    return f"{gpus} GPU" if gpus else told(THREADS or cores())


with hushed():
    _configure()
