import pytest
from loglens.parser import parse_line
from loglens.paths import is_asset, route, words


@pytest.mark.parametrize(
    "path, expected",
    [
        ("/", "/"),
        ("/products/17", "/products/:id"),
        ("/products/17/?colour=red", "/products/:id"),
        ("/api/v2/items/4711/reviews", "/api/v2/items/:id/reviews"),
        ("/checkout//payment", "/checkout/payment"),
        ("/orders/123e4567-e89b-12d3-a456-426614174000", "/orders/:uuid"),
        ("/blog/2023/4/oak-or-beech", "/blog/:id/:id/oak-or-beech"),
        ("/de/users/4/wishlist", "/users/:id/wishlist"),
        ("/he?tab=1", "/"),
        ("/design/17", "/design/:id"),
        ("/caf%C3%A9/", "/caf\u00e9"),
        ("?q=1", "/"),
    ],
)
def test_route(path, expected):
    assert route(path) == expected


@pytest.fixture
def read(make_line):
    """Requests of these paths."""

    def read(*paths):
        return [parse_line(make_line(request=f"GET {path} HTTP/1.1")) for path in paths]

    return read


@pytest.mark.parametrize(
    "path, expected",
    [
        ("/static/js/vendor.js?v=31", True),
        ("/img/LOGO.SVG", True),
        ("/search?q=a.css", False),
        ("/v1.2/items", False),
    ],
)
def test_assets(read, path, expected):
    (entry,) = read(path)
    assert is_asset(entry) is expected


def test_words_keep_their_order_and_number(read):
    assert words(read("/blog/Oak-or-beech?tab=1", "/", "/oak/")) == ["blog", "oak", "beech", "tab", "oak"]
    assert words([]) == []
