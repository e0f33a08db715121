"""The kernels of the lattice decoder: passing tokens on, and pruning.

Tokens and links are tuples of arrays that grow between frames; tokens are numbered through all
frames:

    tokens  state int32, cost float64, extra float64: the graph state, the best cost from the
            start, and how much worse than the best path the best path through the token is
    links   src, dst int32 (tokens), arc int32 (of the graph), weight float32 (of the arc),
            acoustic float32 (unscaled cost)

frame_token[f] and frame_link[f, 0] are where frame f begins, the last entry where it ends. Links
belong to their source's frame: first those without a transition-id, then, from frame_link[f, 1] on,
those that lead to the next frame.

The graph is the DecodingGraph's states and arcs. What is looked up together lies together there,
and a link has the weight of its arc: it is the memory that the search waits for.

All kernels are in this one file because numba's cache does not see changes in another.
"""

import numba
import numpy as np


@numba.njit(cache=True)
def _grown(array, used, size):
    new = np.empty(max(size, 2 * len(array)), array.dtype)
    new[:used] = array[:used]
    return new


@numba.njit(cache=True)
def _room_for_tokens(tokens, used, size):
    if size <= len(tokens[0]):
        return tokens
    return (_grown(tokens[0], used, size), _grown(tokens[1], used, size),
            _grown(tokens[2], used, size))


@numba.njit(cache=True)
def _room_for_links(links, used, size):
    if size <= len(links[0]):
        return links
    return (_grown(links[0], used, size), _grown(links[1], used, size),
            _grown(links[2], used, size), _grown(links[3], used, size),
            _grown(links[4], used, size))


@numba.njit(cache=True)
def start(graph, start, beam, scratch, tokens, links):
    num_states = len(graph[0]) - 1
    tokens = _room_for_tokens(tokens, 0, num_states + 1)
    tokens[0][0], tokens[1][0], tokens[2][0] = start, 0.0, 0.0
    num_tokens, room = _nonemitting(graph, beam, scratch, tokens, 0, 1)
    links = _room_for_links(links, 0, room)
    num_links = _nonemitting_links(graph, beam, scratch, tokens, 0, num_tokens, links, 0)
    return (tokens, links, np.array([0, num_tokens]),
            np.array([[0, num_links], [num_links, num_links]]))


@numba.njit(cache=True)
def advance(graph, scores, acwt, beam, lattice_beam, max_active, min_active, beam_delta,
            prune_links, prune_at, scratch, tokens, links, old_frame_token, old_frame_link):
    """All frames of a chunk.

    prune_links  links are pruned when there are so many more of them, or twice as many as were
                 left: so the search costs no more than in proportion to its length
    prune_at     the number of links to prune at next
    returns      prune_at, the tokens, the links and the frames' boundaries
    """
    num_states = len(graph[0]) - 1
    frame = len(old_frame_token) - 2
    frame_token = np.zeros(frame + 2 + len(scores), np.int64)
    frame_link = np.zeros((frame + 2 + len(scores), 2), np.int64)
    frame_token[:frame + 2] = old_frame_token
    frame_link[:frame + 2] = old_frame_link
    no_final = np.zeros(0)
    for t in range(len(scores)):
        if frame_link[frame + 1, 0] >= prune_at:
            prune(acwt, lattice_beam, 0.1 * lattice_beam, False, no_final, tokens, links,
                  frame_token[:frame + 2], frame_link[:frame + 2])
            prune_at = frame_link[frame + 1, 0] + max(prune_links, frame_link[frame + 1, 0])
        begin, end, used = frame_token[frame], frame_token[frame + 1], frame_link[frame + 1, 0]
        cutoff, adaptive_beam, best = _cutoff(tokens[1][begin:end], beam, max_active, min_active,
                                              beam_delta)
        # A frame has at most one token for each state of the graph; what is not used of this
        # room is never touched, and so takes no memory.
        tokens = _room_for_tokens(tokens, end, end + num_states)
        links = _room_for_links(links, used, used + _num_emitting(graph, tokens[0][begin:end]))
        num_tokens, used, cutoff = _emitting(
            graph, scores[t], acwt, cutoff, adaptive_beam, best, scratch, tokens, begin, end,
            links, used)
        frame += 1
        frame_link[frame, 0] = used
        num_tokens, room = _nonemitting(graph, cutoff, scratch, tokens, end, num_tokens)
        links = _room_for_links(links, used, used + room)
        used = _nonemitting_links(graph, cutoff, scratch, tokens, end, num_tokens, links, used)
        frame_link[frame, 1] = frame_link[frame + 1, 0] = frame_link[frame + 1, 1] = used
        frame_token[frame + 1] = num_tokens
    return prune_at, tokens, links, frame_token, frame_link


@numba.njit(cache=True)
def _cutoff(costs, beam, max_active, min_active, beam_delta):
    """The cost above which tokens are not followed, the beam that this makes, the best token."""
    if not len(costs):
        return np.inf, beam, -1
    best = 0
    for i in range(len(costs)):
        if costs[i] < costs[best]:
            best = i
    beam_cutoff = costs[best] + beam
    within = 0
    for i in range(len(costs)):
        within += costs[i] <= beam_cutoff
    if within > max_active:
        cutoff = _smallest(costs, max_active)
        return cutoff, cutoff - costs[best] + beam_delta, best
    if within > min_active:
        return beam_cutoff, beam, best
    if len(costs) > min_active:
        cutoff = _smallest(costs, min_active)
        return cutoff, cutoff - costs[best] + beam_delta, best
    return np.inf, np.inf, best


@numba.njit(cache=True)
def _smallest(values, rank):
    """The value with rank others before it in sorted order (Hoare's quickselect).

    As np.partition, whose compilation alone would take as long as half of these kernels.
    """
    work = values.copy()
    low, high = 0, len(work) - 1
    while low < high:
        pivot = work[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while work[i] < pivot:
                i += 1
            while work[j] > pivot:
                j -= 1
            if i <= j:
                work[i], work[j] = work[j], work[i]
                i, j = i + 1, j - 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return work[rank]


@numba.njit(cache=True)
def _num_emitting(graph, states):
    arcs_of, _ = graph
    count = 0
    for s in states:
        count += arcs_of[s].epsilon - arcs_of[s].first
    return count


@numba.njit(cache=True)
def _emitting(graph, scores, acwt, cutoff, adaptive_beam, best, scratch, tokens, begin, end,
              links, num_links):
    """Pass the tokens begin .. end - 1 over arcs with transition-ids into the next frame.

    returns  the numbers of tokens and links, and the next frame's cutoff
    """
    arcs_of, arcs = graph
    token_of_state = scratch[0]
    token_state, token_cost, token_extra = tokens
    link_src, link_dst, link_arc, link_weight, link_acoustic = links
    next_cutoff = np.inf
    if best >= 0:
        s = token_state[begin + best]
        for a in range(arcs_of[s].first, arcs_of[s].epsilon):
            cost = token_cost[begin + best] + arcs[a].weight - acwt * scores[arcs[a].pdf]
            next_cutoff = min(next_cutoff, cost + adaptive_beam)
    num_tokens = end
    for i in range(begin, end):
        if token_cost[i] > cutoff:
            continue
        s = token_state[i]
        for a in range(arcs_of[s].first, arcs_of[s].epsilon):
            acoustic = -scores[arcs[a].pdf]
            cost = token_cost[i] + arcs[a].weight + acwt * acoustic
            if cost >= next_cutoff:
                continue
            if cost + adaptive_beam < next_cutoff:
                next_cutoff = cost + adaptive_beam
            d = arcs[a].nextstate
            j = token_of_state[d]
            if j < 0:
                j = num_tokens
                num_tokens += 1
                token_of_state[d] = j
                token_state[j], token_cost[j], token_extra[j] = d, cost, 0.0
            elif cost < token_cost[j]:
                token_cost[j] = cost
            link_src[num_links], link_dst[num_links], link_arc[num_links] = i, j, a
            link_weight[num_links], link_acoustic[num_links] = arcs[a].weight, acoustic
            num_links += 1
    return num_tokens, num_links, next_cutoff


@numba.njit(cache=True)
def _nonemitting(graph, cutoff, scratch, tokens, begin, num_tokens):
    """Follow arcs without transition-ids among the newest frame's tokens, begin .. num_tokens - 1.

    returns  the number of tokens, and room enough for the links of _nonemitting_links
    """
    arcs_of, arcs = graph
    token_of_state, stack, stacked = scratch
    token_state, token_cost, token_extra = tokens
    top = room = 0
    for i in range(begin, num_tokens):
        s = token_state[i]
        token_of_state[s] = i
        if arcs_of[s].epsilon < arcs_of[s + 1].first:
            room += arcs_of[s + 1].first - arcs_of[s].epsilon
            stack[top] = s
            stacked[s] = True
            top += 1
    while top:
        top -= 1
        s = stack[top]
        stacked[s] = False
        from_cost = token_cost[token_of_state[s]]
        for a in range(arcs_of[s].epsilon, arcs_of[s + 1].first):
            cost = from_cost + arcs[a].weight
            if cost >= cutoff:
                continue
            d = arcs[a].nextstate
            j = token_of_state[d]
            if j < 0:
                j = num_tokens
                num_tokens += 1
                token_of_state[d] = j
                token_state[j], token_extra[j] = d, 0.0
                room += arcs_of[d + 1].first - arcs_of[d].epsilon
            elif cost >= token_cost[j]:
                continue
            token_cost[j] = cost
            if arcs_of[d].epsilon < arcs_of[d + 1].first and not stacked[d]:
                stack[top] = d
                stacked[d] = True
                top += 1
    return num_tokens, room


@numba.njit(cache=True)
def _nonemitting_links(graph, cutoff, scratch, tokens, begin, end, links, num_links):
    """Add the links without transition-ids of the tokens begin .. end - 1; returns their number.

    The scratch's token_of_state is all -1 again afterwards.
    """
    arcs_of, arcs = graph
    token_of_state = scratch[0]
    token_state, token_cost, _ = tokens
    link_src, link_dst, link_arc, link_weight, link_acoustic = links
    for i in range(begin, end):
        s = token_state[i]
        for a in range(arcs_of[s].epsilon, arcs_of[s + 1].first):
            if token_cost[i] + arcs[a].weight < cutoff:
                link_src[num_links], link_dst[num_links] = i, token_of_state[arcs[a].nextstate]
                link_arc[num_links], link_weight[num_links] = a, arcs[a].weight
                link_acoustic[num_links] = 0.0
                num_links += 1
    for i in range(begin, end):
        token_of_state[token_state[i]] = -1
    return num_links


@numba.njit(cache=True)
def prune(acwt, lattice_beam, delta, at_end, final, tokens, links, frame_token, frame_link):
    """Drop links and tokens that are lattice_beam worse than the best path; move the rest together.

    delta       frames are revised backwards until costs change by no more than this
    at_end      whether the utterance is over; before, the last frame's tokens are taken for
                equally good
    final       float64: final costs of the last frame's tokens at the end
    frame_token, frame_link   revised in place
    """
    _, token_cost, token_extra = tokens
    link_src, link_dst, link_arc, link_weight, link_acoustic = links
    last = len(frame_token) - 2
    begin, end = frame_token[last], frame_token[last + 1]
    if at_end:
        best = np.inf
        for i in range(begin, end):
            best = min(best, token_cost[i] + final[i - begin])
        for i in range(begin, end):
            token_extra[i] = token_cost[i] + final[i - begin] - best
            if token_extra[i] > lattice_beam:
                token_extra[i] = np.inf
    frame = last if at_end else last - 1
    while frame >= 0:
        begin, end = frame_token[frame], frame_token[frame + 1]
        new = token_extra[begin:end].copy() if frame == last else np.full(end - begin, np.inf)
        middle = frame_link[frame, 1]
        for k in range(middle, frame_link[frame + 1, 0]):
            i, j = link_src[k], link_dst[k]
            cost = token_cost[i] + link_weight[k] + acwt * link_acoustic[k] - token_cost[j]
            cost = max(cost + token_extra[j], 0.0)
            if cost > lattice_beam:
                link_arc[k] = -1
            elif cost < new[i - begin]:
                new[i - begin] = cost
        changed = True
        while changed:
            changed = False
            for k in range(frame_link[frame, 0], middle):
                i, j = link_src[k], link_dst[k]
                cost = token_cost[i] + link_weight[k] - token_cost[j] + new[j - begin]
                cost = max(cost, 0.0)
                if cost < new[i - begin] and cost <= lattice_beam:
                    new[i - begin] = cost
                    changed = True
        for k in range(frame_link[frame, 0], middle):
            i, j = link_src[k], link_dst[k]
            cost = token_cost[i] + link_weight[k] - token_cost[j] + new[j - begin]
            if not cost <= lattice_beam:
                link_arc[k] = -1
        worst = 0.0
        for i in range(begin, end):
            if new[i - begin] != token_extra[i]:
                worst = max(worst, abs(new[i - begin] - token_extra[i]))
            token_extra[i] = new[i - begin]
        if worst <= delta and not at_end:
            break
        frame -= 1
    _compact(tokens, links, frame_token, frame_link, max(frame, 0))


@numba.njit(cache=True)
def _compact(tokens, links, frame_token, frame_link, frame):
    """Move together what prune left of the tokens and links from a frame on."""
    token_state, token_cost, token_extra = tokens
    link_src, link_dst, link_arc, link_weight, link_acoustic = links
    last = len(frame_token) - 2
    base = frame_token[frame]
    moved = np.full(frame_token[last + 1] - base, -1, np.int32)
    num_tokens, num_links = base, frame_link[frame, 0]
    for f in range(frame, last + 1):
        begin = frame_token[f]
        frame_token[f] = num_tokens
        for i in range(begin, frame_token[f + 1]):
            if token_extra[i] < np.inf:
                moved[i - base] = num_tokens
                token_state[num_tokens], token_cost[num_tokens] = token_state[i], token_cost[i]
                token_extra[num_tokens] = token_extra[i]
                num_tokens += 1
    frame_token[last + 1] = num_tokens
    for f in range(frame, last + 1):
        begin, middle = frame_link[f]
        frame_link[f] = num_links
        for k in range(begin, frame_link[f + 1, 0]):
            if link_arc[k] >= 0:
                link_src[num_links] = moved[link_src[k] - base]
                link_dst[num_links] = moved[link_dst[k] - base]
                link_arc[num_links], link_weight[num_links] = link_arc[k], link_weight[k]
                link_acoustic[num_links] = link_acoustic[k]
                num_links += 1
                frame_link[f, 1] += k < middle
    frame_link[last + 1] = num_links
