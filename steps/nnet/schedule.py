"""Learning rates over the steps of a training."""

import math


def warmup_cosine(step, num_steps, peak, final, warmup):
    """Linear from 0 to peak, then half a cosine down to final (Loshchilov & Hutter 2017).

    step     0 to num_steps - 1;  warmup  share of num_steps
    returns  float
    """
    rising = max(1, round(warmup * num_steps))
    if step < rising:
        return peak * (step + 1) / rising
    progress = (step - rising) / max(1, num_steps - rising)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def warmup_plateau(step, num_steps, peak, final, warmup, losses, patience=1, factor=0.5,
                   threshold=1e-3):
    """Linear to peak, then halved whenever the held-out loss has not improved for a while.

    losses     held-out loss after each epoch so far
    patience   epochs without improvement by `threshold`, relative, before the rate is halved
    returns    float, after the warm-up at least final
    """
    rising = max(1, round(warmup * num_steps))
    best, waited, rate = math.inf, 0, peak
    for loss in losses:
        if loss < best * (1 - threshold):
            best, waited = loss, 0
            continue
        waited += 1
        if waited > patience:
            rate, waited = rate * factor, 0
    return max(final, rate) * min(1.0, (step + 1) / rising)
