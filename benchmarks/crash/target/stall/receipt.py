"""Receipts: what was bought, and what it costs."""


def receipt(names, price_of):
    """Lines of (name, count, cost) in the order of the first purchase."""
    lines = []
    for name in names:
        if all(name != known for known, _, _ in lines):
            count = names.count(name)
            lines.append((name, count, sum(price_of(other) for other in names if other == name)))
    return lines
