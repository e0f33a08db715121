import subprocess

import pytest

from utils.data.filters import (
    Noise,
    Room,
    Source,
    add_filter,
    from_here,
    parse_filter,
    split_filters,
)

NOISE = Noise(7.5, (Source("pink", 4294967295), Source("loop", 3.25, "a b/it's.wav"),
                    Source("once", 0.5, "sph2pipe -f wav x.sph | cat |"),
                    Source("loop", 0, add_filter("x.wav", "speed", 0.9))))
ROOM = Room(0.45, (5.2, 4.1, 2.7), (1.2, 3.1, 1.5), (3.3, 1.0, 1.2))


@pytest.mark.parametrize("below", ["a.wav", "odd 'name.wav", "cat b.wav |", "true; cat c |"])
def test_there_and_back(below):
    filters = [("noise", NOISE), ("speed", 0.9), ("reverb", ROOM), ("reverb", "rir 1.wav"),
               ("noise", Noise(-3.0, (Source("white", 0),))), ("volume", 2.0)]
    name = below
    for number, (kind, value) in enumerate(filters, 1):
        name = add_filter(name, kind, value)
        assert split_filters(name)[1] == filters[:number]
    assert split_filters(name)[0] == below.replace("true; cat c", "(true; cat c)")


@pytest.mark.parametrize("text", [
    "", "10", "loud pink:1", "10 pink", "10 pink:", "10 pink:-1", "10 blue:1", "nan pink:1",
    "10 -1:a.wav", "10 1:", "10 @:a.wav", "10 inf:a.wav", "10 'pink:1", "10 a.wav"])
def test_no_noise(text):
    with pytest.raises(ValueError):
        parse_filter("noise", text)
    command = f"audio_filter.py --noise \"{text}\" a.wav |"
    assert split_filters(command) == (command, [])


@pytest.mark.parametrize("text", [
    "", "t60=", "t60=1", "t60=0 size=5,4,3 source=1,1,1 mic=2,2,2", "t60=.4 size=5,4,3 mic=2,2,2",
    "t60=.4 size=5,4,3 source=1,1,3 mic=2,2,2", "t60=.4 size=5,4 source=1,1 mic=2,2",
    "t60=.4 size=5,4,3 source=1,1,1 mic=1,1,1", "t60=.4 size=5,4,3 source=1,1,1 mic=2,2,2 x=1",
    "t60=.4 size=5,4,3 source=1,1,1 mic=2,2", "t60=.4 size=5e9,4,3 source=1,1,1 mic=2,2,2"])
def test_no_room(text):
    with pytest.raises(ValueError):
        parse_filter("reverb", text)


def test_paths_as_they_are_from_elsewhere():
    assert from_here("corpus/a.wav", "../en") == "../en/corpus/a.wav"
    assert from_here("/corpus/a.wav", "../en") == "/corpus/a.wav"
    assert from_here("cat a.wav |", "../e n") == \
        "cd -- '../e n' >/dev/null || exit; cat a.wav |"
    speed = add_filter("a.wav", "speed", 0.9234567)
    assert from_here(speed, "../en") == speed.replace("a.wav", "../en/a.wav")
    assert "0.9234567" in speed
    name = add_filter(add_filter("a.wav", "noise", NOISE), "reverb", "/rirs/1.wav")
    source, filters = split_filters(from_here(add_filter(name, "speed", 0.9), "../en"))
    assert source == "../en/a.wav" and filters[1:] == [("reverb", "/rirs/1.wav"), ("speed", 0.9)]
    assert filters[0][1].snr == NOISE.snr and [
        sound.rxfilename for sound in filters[0][1].sources] == [
        "", "../en/a b/it's.wav", "cd -- ../en >/dev/null || exit; sph2pipe -f wav x.sph | cat |",
        add_filter("../en/x.wav", "speed", 0.9)]


def test_what_is_in_parentheses_is_no_arithmetic_to_bash():
    command = add_filter("(cat a.wav; true) |", "speed", 0.9).removesuffix("|")
    command = command.rpartition("|")[0]
    assert subprocess.run(["bash", "-c", f"cat() {{ echo $1; }}; {command}"], check=True,
                          capture_output=True, text=True).stdout == "a.wav\n"
