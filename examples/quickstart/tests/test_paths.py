import pytest
from loglens.paths import is_asset, route


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


def test_assets():
    assert is_asset("/static/js/vendor.js?v=31")
    assert is_asset("/img/LOGO.SVG")
    assert not is_asset("/search?q=a.css")
    assert not is_asset("/v1.2/items")
