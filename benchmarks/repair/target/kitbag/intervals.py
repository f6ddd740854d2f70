"""Half-open intervals [start, end) and sets of them."""

from itertools import pairwise


class Interval:
    """All x with start <= x < end; empty when end <= start."""

    def __init__(self, start, end):
        self.start = start
        self.end = end

    def __repr__(self):
        return f"Interval({self.start}, {self.end})"

    def __eq__(self, other):
        if not isinstance(other, Interval):
            return NotImplemented
        if self.is_empty() and other.is_empty():
            return True
        return self.start == other.start and self.end == other.end

    def is_empty(self):
        return self.end <= self.start

    def length(self):
        return 0 if self.is_empty() else self.end - self.start

    def contains(self, value):
        return self.start <= value < self.end

    def overlaps(self, other):
        if self.is_empty() or other.is_empty():
            return False
        return self.start < other.end and other.start < self.end

    def touches(self, other):
        """Whether the union of both has no gap."""
        return self.start <= other.end and other.start <= self.end

    def intersection(self, other):
        return Interval(max(self.start, other.start), min(self.end, other.end))

    def shifted(self, amount):
        return Interval(self.start + amount, self.end + amount)

    def scaled(self, factor):
        """Grown or shrunk around the middle."""
        middle = (self.start + self.end) / 2
        half = self.length() * factor / 2
        return Interval(middle - half, middle + half)

    def split(self, parts):
        """Cut into equal parts, the last of which ends exactly at the end."""
        if parts < 1:
            raise ValueError("parts must be positive")
        step = self.length() / parts
        cuts = [self.start + step * index for index in range(parts)] + [self.end]
        return [Interval(low, high) for low, high in pairwise(cuts)]


def merge(intervals):
    """The same points in as few intervals as possible, sorted."""
    result = []
    for item in sorted((one for one in intervals if not one.is_empty()), key=lambda one: one.start):
        if result and result[-1].touches(item):
            last = result[-1]
            result[-1] = Interval(last.start, max(last.end, item.end))
        else:
            result.append(item)
    return result


def subtract(whole, holes):
    """What is left of an interval without the holes."""
    left = []
    position = whole.start
    for hole in merge(holes):
        if hole.end <= whole.start:
            continue
        if hole.start >= whole.end:
            break
        if hole.start > position:
            left.append(Interval(position, hole.start))
        position = max(position, hole.end)
    if position < whole.end:
        left.append(Interval(position, whole.end))
    return left


def covered(intervals):
    """Total length of the union."""
    total = 0
    for item in merge(intervals):
        total += item.length()
    return total


def busiest(intervals):
    """The greatest number of intervals that hold one point, and the first such point."""
    events = []
    for item in intervals:
        if not item.is_empty():
            events.append((item.start, 1))
            events.append((item.end, -1))
    depth, best, where = 0, 0, None
    for position, change in sorted(events):
        depth += change
        if depth > best:
            best, where = depth, position
    return best, where
