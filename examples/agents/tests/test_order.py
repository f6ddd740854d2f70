from shelf.order import in_order


def test_articles_do_not_count() -> None:
    books = [("Woolf", "The Waves"), ("Woolf", "Orlando"), ("austen", "Emma")]
    assert in_order(books) == [("austen", "Emma"), ("Woolf", "Orlando"), ("Woolf", "The Waves")]
