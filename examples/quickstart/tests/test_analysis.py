from pathlib import Path

import pytest
from loglens.__main__ import main
from loglens.analysis import analyse, pauses
from loglens.parser import read_entries
from loglens.report import human_size, render, share


def test_empty_log():
    analysis = analyse([])
    assert (analysis.requests, analysis.sessions, analysis.requests_per_session) == (0, 0, 0.0)
    assert list(analysis.hours.values()) == [0] * 24
    assert "0 requests" in render(analysis)


def test_small_log(make_line):
    lines = [
        make_line(),
        make_line(request="GET /products/18 HTTP/1.1", seconds="1.500"),
        make_line(request="GET /img/logo.svg HTTP/1.1", size="10"),
        make_line(request="POST /login HTTP/1.1", status=503, seconds="4.000"),
        make_line(host="66.249.66.1", agent="Googlebot/2.1"),
        make_line(host="66.249.66.1"),
        "rubbish",
    ]
    analysis = analyse(lines, limit=2)
    assert (analysis.requests, analysis.skipped, analysis.robots, analysis.visitors) == (6, 1, 2, 1)
    assert analysis.size == 5 * 1234 + 10
    assert (analysis.addresses, analysis.paths, analysis.internal) == (2, 3, 4)
    assert analysis.statuses == {200: 5, 503: 1}
    assert analysis.hours[6] == 6
    assert analysis.families == [("Firefox 118", 4)]
    assert analysis.routes == [("/products/:id", 4), ("/login", 1)]
    assert analysis.words == [("products", 4), ("home", 3)]
    assert analysis.spread == pytest.approx(1.4664, abs=1e-4)
    assert analysis.size_spread == pytest.approx(456.158, abs=1e-3)
    assert analysis.failing == [("/login", 1)]
    assert analysis.slow == [(4.0, "POST", "/login"), (1.5, "GET", "/products/18")]
    assert [(item.route, item.median, item.p99) for item in analysis.times] == [
        ("/login", 4.0, 4.0),
        ("/products/:id", 0.042, 1.5),
    ]


def test_pauses(make_line):
    lines = [make_line(when=f"17/Apr/2024:06:00:{second:02} +0300") for second in (0, 1, 1, 5)]
    assert pauses(read_entries(lines)[0]) == [1, 0, 4]
    assert pauses([]) == []


def test_report_has_all_parts(make_line):
    text = render(analyse([make_line(seconds="2.000")]))
    assert text.startswith(
        "1 requests, 0 lines skipped, 1.2 KiB (a request: ± 0.0 B)\n1 paths, 1 addresses, 1 requests from inside\n"
    )
    assert "  200        1  100.0 %\n" in text
    assert f"  06        1  {'#' * 40}\n" in text
    assert text.endswith("\nSlow requests\n    2.000  GET /products/17?ref=home\n")


def test_sizes_and_shares():
    assert [human_size(number) for number in (0, 1536, 5 * 1024**4)] == ["0.0 B", "1.5 KiB", "5.0 TiB"]
    assert (share(1, 4), share(0, 0)) == ("25.0 %", "-")


def test_command_line(tmp_path, make_line, capsys):
    log = Path(tmp_path, "access.log")
    log.write_text(make_line() + "caf\xe9\n", encoding="latin-1")
    assert main([str(log), "--limit", "3"]) == 0
    assert capsys.readouterr().out.startswith("1 requests, 1 lines skipped")


def test_command_line_without_a_log(tmp_path, capsys):
    assert main([str(tmp_path / "none.log")]) == 1
    assert "none.log" in capsys.readouterr().err
