import datetime

import pytest
from kitbag import dates


@pytest.mark.parametrize("year, answer", [(2000, True), (1900, False), (2024, True), (2023, False), (2100, False)])
def test_leap_years(year, answer):
    assert dates.is_leap(year) is answer


def test_days_in_month():
    assert [dates.days_in_month(2023, month) for month in range(1, 13)] == [
        31,
        28,
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ]
    assert dates.days_in_month(2024, 2) == 29


@pytest.mark.parametrize("month", [0, 13])
def test_no_such_month(month):
    with pytest.raises(ValueError):
        dates.days_in_month(2023, month)


def test_parse():
    assert dates.parse("2024-02-29") == (2024, 2, 29)
    assert dates.parse("2023-12-01") == (2023, 12, 1)


@pytest.mark.parametrize("text", ["2023-02-29", "2023-1", "2023-00-10", "2023-01-00", "2023-01-32", "a-b-c", "1-2-3-4"])
def test_parse_refuses(text):
    with pytest.raises(ValueError):
        dates.parse(text)


@pytest.mark.parametrize("text", ["1999-12-31", "2000-02-29", "2000-03-01", "2024-01-15", "1900-03-01", "2023-07-04"])
def test_numbers_agree_with_the_standard_library(text):
    date = dates.parse(text)
    assert (
        dates.to_number(date) - dates.to_number((2000, 1, 1)) == (datetime.date(*date) - datetime.date(2000, 1, 1)).days
    )
    assert dates.weekday(date) == datetime.date(*date).weekday()


def test_first_day():
    assert dates.to_number((0, 3, 1)) == 0


def test_next_day():
    assert dates.next_day((2023, 5, 4)) == (2023, 5, 5)
    assert dates.next_day((2023, 4, 30)) == (2023, 5, 1)
    assert dates.next_day((2023, 12, 31)) == (2024, 1, 1)
    assert dates.next_day((2024, 2, 28)) == (2024, 2, 29)


def test_add_months():
    assert dates.add_months((2023, 1, 31), 1) == (2023, 2, 28)
    assert dates.add_months((2023, 11, 15), 2) == (2024, 1, 15)
    assert dates.add_months((2023, 3, 15), -3) == (2022, 12, 15)
    assert dates.add_months((2023, 5, 1), 0) == (2023, 5, 1)


def test_between():
    assert dates.between((2023, 1, 1), (2024, 1, 1)) == 365
    assert dates.between((2024, 3, 1), (2024, 2, 28)) == -2


def test_days():
    assert dates.days((2023, 12, 30), (2024, 1, 2)) == [(2023, 12, 30), (2023, 12, 31), (2024, 1, 1), (2024, 1, 2)]
    assert dates.days((2023, 1, 2), (2023, 1, 1)) == []


def test_days_by_step():
    assert dates.days((2023, 1, 1), (2023, 1, 8), step=3) == [(2023, 1, 1), (2023, 1, 4), (2023, 1, 7)]


def test_days_refuses_no_step():
    with pytest.raises(ValueError):
        dates.days((2023, 1, 1), (2023, 1, 8), step=0)


def test_workdays():
    assert dates.workdays((2024, 1, 1), (2024, 1, 14)) == 10
    assert dates.workdays((2024, 1, 1), (2024, 1, 14), holidays=[(2024, 1, 1), (2024, 1, 6)]) == 9


def test_due():
    assert dates.due((2024, 1, 5), 1) == (2024, 1, 8)
    assert dates.due((2024, 1, 1), 5) == (2024, 1, 8)
    assert dates.due((2024, 1, 1), 0) == (2024, 1, 1)
    assert dates.due((2024, 1, 1), 2, holidays=[(2024, 1, 2)]) == (2024, 1, 4)


@pytest.mark.parametrize(
    "first, last, text",
    [
        ((2020, 1, 1), (2022, 1, 1), "2 years"),
        ((2020, 1, 15), (2021, 3, 14), "1 year, 1 month, 27 days"),
        ((2020, 1, 1), (2020, 1, 2), "1 day"),
        ((2020, 1, 1), (2020, 1, 1), "0 days"),
        ((2020, 1, 31), (2020, 3, 1), "1 month, 1 day"),
    ],
)
def test_describe(first, last, text):
    assert dates.describe(first, last) == text
