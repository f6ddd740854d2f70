import pytest
from loglens.hosts import is_internal


@pytest.mark.parametrize(
    "host, expected",
    [
        ("10.0.0.1", True),
        ("192.168.3.4", True),
        ("[fe80::1]", True),
        ("8.8.8.8", False),
        ("172.32.0.1", False),
        ("2606:4700::1111", False),
        ("proxy.example", False),
        ("10.0.0.256", False),
    ],
)
def test_internal(host, expected):
    assert is_internal(host) is expected
