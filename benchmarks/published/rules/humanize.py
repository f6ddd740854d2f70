"""Numbers, sizes and times put into words per second."""

import datetime as dt

import humanize

NUMBERS = [7**n % 10_000_019 * 10 ** (n % 9) for n in range(40)]
DELTAS = [dt.timedelta(seconds=number % 10_000_000, microseconds=number % 997) for number in NUMBERS]
TIMES = 80


def work(times):
    made = []
    for _ in range(times):
        for number, delta in zip(NUMBERS, DELTAS, strict=True):
            made.append(humanize.naturalsize(number))
            made.append(humanize.intcomma(number))
            made.append(humanize.intword(number))
            made.append(humanize.ordinal(number % 100))
            made.append(humanize.naturaldelta(delta))
            made.append(humanize.precisedelta(delta))
    return made


def test_speed(score):
    work(1)
    with score.timer("speed", per=TIMES * len(NUMBERS)):
        made = work(TIMES)
    assert len(made) == TIMES * len(NUMBERS) * 6 and all(made)
