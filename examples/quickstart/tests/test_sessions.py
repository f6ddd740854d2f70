from loglens.parser import read_entries
from loglens.sessions import sessions_of


def sessions(lines):
    return sessions_of(read_entries(lines)[0])


def test_a_short_pause_is_one_session(make_line):
    lines = [make_line(when=f"17/Apr/2024:06:{minute:02}:00 +0300") for minute in (0, 20, 49)]
    (session,) = sessions(lines)
    assert (session.requests, session.seconds) == (3, 49 * 60)


def test_a_long_pause_begins_a_new_one(make_line):
    lines = [make_line(when=f"17/Apr/2024:{hour:02}:00:00 +0300") for hour in (6, 7, 9)]
    assert [session.requests for session in sessions(lines)] == [1, 1, 1]


def test_another_agent_is_another_visitor(make_line):
    assert len(sessions([make_line(), make_line(agent="curl/8"), make_line()])) == 2


def test_sessions_come_in_order_of_their_start(make_line):
    lines = [
        make_line(host=f"10.0.0.{number % 7}", when=f"17/Apr/2024:{6 + number // 20:02}:{3 * number % 60:02}:00 +0300")
        for number in range(100)
    ]
    found = sessions(lines)
    assert found == sorted(found, key=lambda session: (session.start, session.visitor))
    assert sum(session.requests for session in found) == 100


def test_no_entries_no_sessions():
    assert sessions([]) == []
