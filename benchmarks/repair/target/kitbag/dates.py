"""Dates as (year, month, day) in the Gregorian calendar, and ranges of them."""

DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
WEEKEND = (5, 6)


def is_leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year, month):
    if not 1 <= month <= 12:
        raise ValueError(f"no month {month}")
    return 29 if month == 2 and is_leap(year) else DAYS[month - 1]


def parse(text):
    """`YYYY-MM-DD`, checked."""
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        raise ValueError(f"not a date: {text!r}")
    year, month, day = (int(part) for part in parts)
    if not 1 <= day <= days_in_month(year, month):
        raise ValueError(f"no such day: {text!r}")
    return (year, month, day)


def to_number(date):
    """Days since the first of March of the year 0, so that the leap day ends a year."""
    year, month, day = date
    if month < 3:
        year -= 1
        month += 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 1


def weekday(date):
    """0 is Monday."""
    return (to_number(date) + 2) % 7


def next_day(date):
    year, month, day = date
    if day < days_in_month(year, month):
        return (year, month, day + 1)
    if month < 12:
        return (year, month + 1, 1)
    return (year + 1, 1, 1)


def add_months(date, count):
    """The same day some months on, or the last one of a shorter month."""
    year, month, day = date
    total = year * 12 + month - 1 + count
    year, month = total // 12, total % 12 + 1
    return (year, month, min(day, days_in_month(year, month)))


def between(first, last):
    """Days from the first to the last, negative if they are the other way round."""
    return to_number(last) - to_number(first)


def days(first, last, step=1):
    """Each `step`-th date from the first up to and including the last."""
    if step < 1:
        raise ValueError("step must be positive")
    result = []
    date = first
    number = 0
    while date <= last:
        if number % step == 0:
            result.append(date)
        date = next_day(date)
        number += 1
    return result


def workdays(first, last, holidays=()):
    """How many days are neither weekend nor holiday."""
    count = 0
    for date in days(first, last):
        if weekday(date) in WEEKEND or date in holidays:
            continue
        count += 1
    return count


def due(start, amount, holidays=()):
    """The date that is `amount` working days after the start."""
    date = start
    while amount > 0:
        date = next_day(date)
        if weekday(date) not in WEEKEND and date not in holidays:
            amount -= 1
    return date


def describe(first, last):
    """A length in words: whole years, months and the days that remain."""
    months = (last[0] - first[0]) * 12 + last[1] - first[1]
    if add_months(first, months) > last:
        months -= 1
    rest = between(add_months(first, months), last)
    years, months = divmod(months, 12)
    parts = []
    for amount, unit in ((years, "year"), (months, "month"), (rest, "day")):
        if amount:
            parts.append(f"{amount} {unit}" + ("s" if amount != 1 else ""))
    return ", ".join(parts) or "0 days"
