"""An order of utterances whose every beginning is balanced over groups and their speakers."""

import heapq

from utils.step import UserError


def balanced_order(data, table, lengths, rng):
    """The utterances of a DataDir, always next one of the group that has had the least sound so
    far, and in it of the speaker who has; groups and speakers that have no more drop out.

    table    utt2* or spk2* table with the group of each utterance or speaker
    lengths  {utt: s}
    rng      random.Random: the order of each speaker's utterances, and of speakers
    """
    groups = {}
    for spk in rng.sample(list(data.spk2utt), len(data.spk2utt)):
        for utt in rng.sample(data.spk2utt[spk], len(data.spk2utt[spk])):
            groups.setdefault(_group(data, table, utt, spk), {}).setdefault(spk, []).append(utt)
    # Heaps of [seconds so far, rank for ties, what is left]; names make the order a fixed one.
    heap = [[0.0, name, [[0.0, rank, utts[::-1]] for rank, utts in enumerate(spks.values())]]
            for name, spks in sorted(groups.items())]
    order = []
    while heap:
        group = heap[0]
        speaker = group[2][0]
        order.append(speaker[2].pop())
        for entry in (group, speaker):
            entry[0] += lengths[order[-1]]
        _sift(group[2], speaker[2])
        _sift(heap, group[2])
    return order


def _sift(heap, left):
    """Put a heap in order again whose first entry has grown, or drop that if nothing is left."""
    if left:
        heapq.heapreplace(heap, heap[0])
    else:
        heapq.heappop(heap)


def _group(data, table, utt, spk):
    key = spk if table.startswith("spk2") else utt
    if key not in data.table(table):
        raise UserError(data.path / table, f"{key} is not here" if data.table(table)
                        else "no such file", "--balance is a utt2* or spk2* table with a group")
    return data.table(table)[key]
