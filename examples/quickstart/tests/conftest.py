import pytest


@pytest.fixture
def make_line():
    def make(
        host="10.0.0.1",
        when="17/Apr/2024:06:12:04 +0300",
        request="GET /products/17?ref=home HTTP/1.1",
        status=200,
        size="1234",
        agent="Mozilla/5.0 (X11; Linux x86_64; rv:118.0) Gecko/20100101 Firefox/118.0",
        seconds="0.042",
    ):
        return f'{host} - mia [{when}] "{request}" {status} {size} "https://shop.example/" "{agent}" {seconds}\n'

    return make
