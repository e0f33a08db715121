"""How much time, memory and disk a recipe takes: an estimate from hours of speech.

The model is linear in hours. Its figures are from the recipes' RESULTS and from runs on two cores
of a Xeon; other machines differ by a factor of two, and lexicon and grammar matter to decoding.

                       core-seconds for an hour of speech
    features           8 once; 60 for networks, which hear copies at three speeds
    mono to tri3b      400   (AN4: 126 s on two cores for 0.7 hours; speechocean762: at most 470)
    decoding, scoring  2500 for an hour of dev and test, all GMM systems (AN4: 840 with its few
                       words; monophones of letters, 940 words: 1700 alone); 500 a network
    an epoch           80    (AN4: 28 s on two cores for 2.1 hours at three speeds)
    starting           100 in all
"""

from dataclasses import dataclass

FEATURES, NNET_FEATURES, GMM = 8.0, 60.0, 400.0
DECODE_GMM, DECODE_NNET, EPOCH = 2500.0, 500.0, 80.0
FIXED = 100.0
JOB_MEMORY, NETWORK_MEMORY = 0.45, 1.6     # GB
GMM_MEMORY = 0.17                          # GB an hour of all jobs: three copies of the features
ENVIRONMENT = 2.7                          # GB of .venv
DISK_MFCC, DISK_NNET, DISK_DECODE, DISK_SYSTEMS = 0.02, 0.18, 0.6, 0.15   # GB an hour


@dataclass
class Estimate:
    """Minutes with so many jobs, GB of memory and of disk; .parts: {what: minutes}"""
    parts: dict
    memory: float
    disk: float

    @property
    def minutes(self):
        return sum(self.parts.values())

    def __str__(self):
        return f"about {told(self.minutes)}, {self.memory:.1f} GB of memory, {self.disk:.1f} GB " \
               "of disk (estimated)"


def estimate(train, held_out, epochs=None, networks=2, nj=2, cores=2):
    """train, held_out: hours of speech; epochs: of a network, None if none is trained"""
    # A network's training uses all cores by itself; jobs beyond the cores gain nothing.
    jobs, cores = max(1, min(nj, cores)), max(1, cores)
    total = train + held_out
    parts = {"starting": FIXED / 60 / jobs, "features": FEATURES * total / 60 / jobs,
             "GMMs": GMM * train / 60 / jobs, "decoding": DECODE_GMM * held_out / 60 / jobs}
    disk = DISK_MFCC * total + DISK_SYSTEMS * train + DISK_DECODE * held_out
    memory = JOB_MEMORY * jobs + GMM_MEMORY * train
    if epochs:
        parts["features"] += NNET_FEATURES * total / 60 / jobs
        parts["networks"] = networks * epochs * EPOCH * train / 60 / min(cores, 4)
        parts["decoding"] += networks * DECODE_NNET * held_out / 60 / jobs
        # Features at three speeds, and their copy that is read while training.
        disk += 2 * DISK_NNET * train + DISK_NNET * held_out
        memory = max(memory, NETWORK_MEMORY + 0.02 * train)
    return Estimate(parts, memory, disk)


def told(minutes):
    """7 minutes, 2 hours, 3 days"""
    if minutes < 90:
        return f"{round(minutes)} minutes" if minutes >= 1.5 else "1 minute"
    if minutes < 36 * 60:
        return f"{minutes / 60:.1f} hours"
    return f"{minutes / 1440:.1f} days"
