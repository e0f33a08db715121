"""Reverberation: rooms' impulse responses by the image method, convolution without delay.

Arrays in, arrays out.
"""

import numpy as np

from utils.data.noise import power, same_level

SOUND_SPEED = 343.0     # m/s
ONSET = 0.5             # of the largest sample: the direct path is the first that reaches it


def image_response(t60, size, source, mic, rate):
    """Impulse response of a shoebox room (Allen & Berkley 1979), the direct path at sample 0.

    t60           s in which the sound decays by 60 dB, the length of the response
    size          (x, y, z) m; source, mic: where they are in it
    returns       float32 (round(t60 * rate),), the direct path 1

    All walls absorb alike, as much as Eyring's formula says. Reflections turn the sign over
    (Lehmann & Johansson 2008), else they would sum up to a rumble. Eyring's formula is for diffuse
    sound: where the decay is not yet t60, an exponential in time, as air's absorption, mends it.
    """
    size, source, mic = (np.asarray(point, float) for point in (size, source, mic))
    volume, surface = size.prod(), 2 * (size * np.roll(size, 1)).sum()
    reflection = -np.exp(-12 * np.log(10) * volume / (SOUND_SPEED * surface * t60))
    direct = np.linalg.norm(source - mic)
    count = max(round(t60 * rate), 1)
    reach = direct + (count - 0.5) / rate * SOUND_SPEED
    (x2, x_gain), y, z = (_images(*axis, reflection, reach)
                          for axis in zip(size, source, mic, strict=True))
    # Images of the y-z plane by distance, so that each x takes those from the first on.
    plane2 = np.add.outer(y[0], z[0]).ravel()
    plane_gain = np.multiply.outer(y[1], z[1]).ravel()
    order = np.argsort(plane2)
    plane2, plane_gain = plane2[order].astype(np.float32), plane_gain[order].astype(np.float32)
    ends = np.searchsorted(plane2, reach ** 2 - x2)
    response = np.zeros(count + 1)
    for end, square, gain in zip(ends, x2, x_gain, strict=True):
        distance = np.sqrt(plane2[:end] + np.float32(square))
        at = ((distance - direct) * (rate / SOUND_SPEED) + 0.5).astype(np.int32)
        gains = plane_gain[:end] / distance * np.float32(gain * direct)
        response += np.bincount(np.minimum(at, count), gains, count + 1)
    return _decay(response[:count], t60, rate).astype(np.float32)


def _images(size, source, mic, reflection, reach):
    """Squared distances in m² along one axis, (num_images,), and the walls' gain of each image"""
    most = int(reach / (2 * size)) + 1
    number = np.arange(-most, most + 1)[:, None]
    mirrored = np.array([0, 1])
    distance = ((1 - 2 * mirrored) * source + 2 * number * size - mic).ravel()
    gain = (reflection ** (np.abs(number - mirrored) + np.abs(number))).ravel()
    near = np.abs(distance) <= reach
    return distance[near] ** 2, gain[near]


def _decay(response, t60, rate):
    """The response with an exponential that gives its reverberation the decay asked for."""
    for _ in range(2):   # again, as the first measurement is of a response cut short
        found = decay_time(response[1:], rate)
        if found is None:
            break
        rates = 3 * np.log(10) * (1 / t60 - 1 / found)
        response = response * np.exp(-rates / rate * np.arange(len(response)))
    return response


def decay_time(response, rate):
    """T60 in s by Schroeder's backward integration (1965), of the decay from -5 to -35 dB.

    None if the response has no such part.
    """
    energy = np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1]
    if not len(energy) or energy[0] == 0:
        return None
    level = 10 * np.log10(np.maximum(energy / energy[0], 1e-20))
    first, last = np.searchsorted(-level, [5, 35])
    if last - first < 2:
        return None
    slope = np.polyfit(np.arange(first, last) / rate, level[first:last], 1)[0]
    return -60 / slope if slope < 0 else None


def direct_path(response):
    """The sample of a measured response at which the sound arrives: the first that is loud."""
    size = np.abs(response)
    return int(np.argmax(size >= ONSET * size.max()))


def reverberate(samples, response, direct=0):
    """float32 (num_samples, num_channels) as heard in a room, as loud as it was, not delayed.

    response  float32 (num_taps,), at the same rate; its sample `direct` becomes time 0, so that
              what the clean sound's alignment says holds
    """
    result = convolve(samples, response)[direct:direct + len(samples)]
    return same_level(result, power(samples))


def convolve(samples, response):
    """(num_samples, num_channels) * (num_taps,) -> (num_samples + num_taps - 1, num_channels)

    by FFTs of blocks, overlapped and added
    """
    total = len(samples) + len(response) - 1
    size = 1 << max(2 * len(response) - 1, 1 << 13).bit_length()
    size = min(size, 1 << max(total - 1, 1).bit_length())
    step = size - len(response) + 1
    spectrum = np.fft.rfft(response, size)[:, None]
    result = np.zeros((total, samples.shape[1]), np.float32)
    for start in range(0, len(samples), step):
        block = np.fft.irfft(np.fft.rfft(samples[start:start + step], size, axis=0) * spectrum,
                             size, axis=0)
        result[start:start + size] += block[:total - start]
    return result
