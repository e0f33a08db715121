"""How large systems are for so many hours of speech, as conf files say it.

Curves near what egs/mboshi uses: 300 leaves and 1500 Gaussians for 10 minutes, 1000 and 6000 for an
hour, 2000 and 16000 for four; 18 epochs for 10 minutes, 8 for an hour, 4 for four.
"""

import math
import re


def leaves(hours):
    return _bounded(1000 * hours ** 0.55, 50, 4500, 50)


def gaussians(hours):
    return _bounded(6000 * hours ** 0.75, 200, 40000, 100)


def mono_gaussians(hours):
    return _bounded(1000 * hours ** 0.4, 200, 1000, 50)


def epochs(hours):
    return round(min(30, max(3, 8 * hours ** -0.45)))


def subwords(words):
    """Units for so many different words."""
    return _bounded(2.5 * math.sqrt(words), 50, 1000, 10)


def conf_edits(hours, different_words):
    """{conf file: {option: value}} and the words for "an hour of speech" in their comments"""
    return {
        "mono.conf": {"total-gaussians": mono_gaussians(hours)},
        "tri.conf": {"num-leaves": leaves(hours), "total-gaussians": gaussians(hours)},
        "nnet.conf": {"num-epochs": epochs(hours)},
        "transfer.conf": {"num-epochs": epochs(hours)},
        "subwords.conf": {"vocab-size": subwords(different_words)}}


def set_options(text, options, hours=None):
    """A conf file's text with --name=value lines set, or added, their comments kept."""
    for name, value in options.items():
        line = re.compile(rf"^--{re.escape(name)}=\S*", re.M)
        new = f"--{name}={value}"
        text = line.sub(lambda _, new=new: new, text) if line.search(text) \
            else text.rstrip("\n") + f"\n{new}\n"
    return text if hours is None else text.replace("an hour of speech", amount(hours)
                                                   + " of speech")


def amount(hours):
    minutes = 60 * hours
    return f"{hours:.1f} hours" if hours >= 1.5 else \
        f"{minutes:.0f} minutes" if minutes >= 3 else f"{minutes:.1f} minutes"


def _bounded(value, least, most, step):
    return int(min(most, max(least, round(value / step) * step)))
