from datetime import datetime, timedelta, timezone

import pytest
from loglens.parser import parse_line, read_entries


def test_all_fields(make_line):
    entry = parse_line(make_line())
    assert entry.host == "10.0.0.1"
    assert entry.user == "mia"
    assert entry.when == datetime(2024, 4, 17, 6, 12, 4, tzinfo=timezone(timedelta(hours=3)))
    assert (entry.method, entry.path) == ("GET", "/products/17?ref=home")
    assert (entry.status, entry.size, entry.seconds) == (200, 1234, 0.042)
    assert entry.referrer == "https://shop.example/"
    assert entry.agent.endswith("Firefox/118.0")


def test_a_dash_is_no_size(make_line):
    assert parse_line(make_line(size="-", status=304)).size == 0


def test_time_zones_are_kept(make_line):
    early = parse_line(make_line(when="17/Apr/2024:06:00:00 +0300")).when
    late = parse_line(make_line(when="17/Apr/2024:06:00:00 -0500")).when
    assert late - early == timedelta(hours=8)


def test_rubbish_is_none(make_line):
    assert parse_line('10.0.0.1 - - [17/Apr/2024:06:12:04 +0300] "-" 408 - "-" "-"') is None
    assert parse_line(make_line() + "tail") is None
    assert parse_line("") is None


def test_reading_skips_and_counts(make_line):
    entries, skipped = read_entries([make_line(), "\n", "rubbish\n", make_line(host="10.0.0.2")])
    assert [entry.host for entry in entries] == ["10.0.0.1", "10.0.0.2"]
    assert skipped == 1


def test_an_impossible_date_is_an_error(make_line):
    with pytest.raises(ValueError):
        parse_line(make_line(when="31/Feb/2024:06:00:00 +0300"))
