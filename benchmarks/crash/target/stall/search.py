"""Where something stands in a sorted list."""


def position(items, wanted):
    """The index of `wanted` in the sorted `items`, or None."""
    for index, item in enumerate(items):
        if item == wanted:
            return index
    return None
