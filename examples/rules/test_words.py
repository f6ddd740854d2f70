import pytest
from words import count

TEXT = "the quick brown fox jumps over the lazy dog " * 5_000


def test_same_answer():  # a gate: what fails here is not kept
    assert count(TEXT)["the"] == 10_000


@pytest.mark.points("manners", 2)  # partial credit: a failure costs two points and gates nothing
def test_empty_text():
    assert count("") == {}


def test_speed(score):  # a measurement, timed by the grading process's clock
    with score.timer("words_per_s", per=45_000):
        count(TEXT)
