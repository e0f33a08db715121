"""Data, words and hand-made lattices to score."""

import numpy as np

from steps.decode.lattice import Lattice, write_lattices

WORDS = ["<eps>", "yes", "no", "go", "<UNK>", "né", "#0", "<s>", "</s>"]


def sausage(*slots):
    """A lattice of alternatives one after the other: slots of [(word id, graph, acoustic cost)]."""
    rows = [(i, i + 1, 1, word, graph, acoustic)
            for i, slot in enumerate(slots) for word, graph, acoustic in slot]
    final = np.full(len(slots) + 1, np.inf)
    final[-1] = 0
    return Lattice(*zip(*rows, strict=True), final, np.where(np.isinf(final), np.inf, 0))


def chain(*words):
    return sausage(*([(word, 0.0, 0.0)] for word in words)) if words else sausage([(0, 0.0, 0.0)])


def make_data(directory, texts):
    """A data directory of {utt: text}; the speaker is what stands before the first hyphen."""
    directory.mkdir(parents=True, exist_ok=True)
    utt2spk = {utt: utt.split("-")[0] for utt in texts}
    spks = sorted(set(utt2spk.values()))
    (directory / "text").write_text("".join(f"{u} {t}".rstrip() + "\n" for u, t in texts.items()))
    (directory / "utt2spk").write_text("".join(f"{u} {s}\n" for u, s in utt2spk.items()))
    (directory / "spk2gender").write_text(
        "".join(f"{s} {'fm'[i % 2]}\n" for i, s in enumerate(spks)))
    return directory


def make_graph(directory):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "words.txt").write_text("".join(f"{w} {i}\n" for i, w in enumerate(WORDS)))
    return directory


def make_decode(directory, archives):
    """A decode directory of lat.1.gz, lat.2.gz, ... with [{utt: Lattice}]."""
    directory.mkdir(parents=True, exist_ok=True)
    for job, lattices in enumerate(archives, 1):
        write_lattices(directory / f"lat.{job}.gz", lattices.items())
    (directory / "num_jobs").write_text(f"{len(archives)}\n")
    return directory
