import pytest
from loglens.agents import family


@pytest.mark.parametrize(
    "agent, expected",
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:118.0) Gecko/20100101 Firefox/118.0", "Firefox 118"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/116.0.0.0 Safari/537.36 Edg/115.0.1823.51", "Edge 115"),
        ("Mozilla/5.0 (X11; Linux) Chrome/110.0.0.0 Safari/537.36 OPR/96.0.0.0", "Opera 96"),
        ("Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 Chrome/113.0.0.0 Safari/537.36", "Chrome 113"),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/16.4 Safari/605.1.15", "Safari 16"),
        ("Mozilla/5.0 (iPhone) Version/15.1 Mobile/15E148 Safari/604.1", "Safari 15"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", "Robot"),
        ("curl/7.88.1", "Robot"),
        ("Lynx/2.9.0dev.12 libwww-FM/2.14", "Other"),
        ("-", "Other"),
    ],
)
def test_family(agent, expected):
    assert family(agent) == expected
