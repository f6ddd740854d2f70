"""Small statistics over entries and numbers."""


def count(values):
    """How often each value occurs, as a dictionary in order of first occurrence."""
    counts = {}
    for value in values:
        if value in counts:
            counts[value] += 1
        else:
            counts[value] = 1
    return counts


def top(counts, number):
    """The `number` most frequent values with their counts; ties in alphabetical order."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:number]


def percentile(values, share):
    """The smallest value that is not exceeded by `share` (0 to 1) of all values."""
    ordered = sorted(values)
    if len(ordered) == 0:
        return 0.0
    position = int(share * len(ordered) + 0.999999) - 1
    return ordered[max(position, 0)]


def spread(values):
    """The standard deviation, 0.0 of no values."""
    number = len(values)
    squares = 0.0
    for value in values:
        mean = sum(values) / number
        squares += (value - mean) ** 2
    return (squares / number) ** 0.5 if number else 0.0


def unique(values):
    """The different values, in order of first occurrence."""
    seen = []
    for value in values:
        if value not in seen:
            seen.append(value)
    return seen


def grouped(entries, key):
    """Lists of entries by what `key` says of them."""
    groups = {}
    for entry in entries:
        name = key(entry)
        if name not in groups:
            groups[name] = []
        groups[name].append(entry)
    return groups
