"""Plain-text tables: columns as wide as they need to be, numbers to the right, long cells wrapped."""

MIN_WIDTH = 3
GAP = "  "


def is_number(text):
    """Whether a cell holds a plain decimal number."""
    text = text.strip()
    if text[:1] in "+-" and text:
        text = text[1:]
    whole, dot, fraction = text.partition(".")
    if dot and not fraction:
        return False
    return whole.isdigit() and (not fraction or fraction.isdigit())


def wrap(text, width):
    """Break a text into lines of at most `width` characters, at blanks where there are any."""
    if width < 1:
        raise ValueError("width must be positive")
    lines, line = [], ""
    for word in text.split():
        while len(word) > width:
            if line:
                lines.append(line)
                line = ""
            lines.append(word[:width])
            word = word[width:]
        if not word:
            continue
        if line and len(line) + 1 + len(word) <= width:
            line = line + " " + word
        else:
            if line:
                lines.append(line)
            line = word
    if line or not lines:
        lines.append(line)
    return lines


def column_widths(rows, limit=None):
    """The width of each column: its longest cell, between MIN_WIDTH and `limit`."""
    count = max((len(row) for row in rows), default=0)
    widths = [MIN_WIDTH] * count
    for row in rows:
        for index, cell in enumerate(row):
            widths[index] = max(widths[index], len(cell))
    if limit is not None:
        widths = [min(width, limit) for width in widths]
    return widths


def align(cell, width, right=False):
    """Pad one line of a cell."""
    missing = width - len(cell)
    if missing <= 0:
        return cell
    return " " * missing + cell if right else cell + " " * missing


def render(rows, header=None, limit=None):
    """A whole table as text; short rows are filled up with empty cells."""
    rows = [[str(cell) for cell in row] for row in rows]
    everything = [list(header), *rows] if header else rows
    widths = column_widths(everything, limit)
    numeric = [
        bool(rows) and all(is_number(row[index]) for row in rows if index < len(row) and row[index])
        for index in range(len(widths))
    ]
    lines = []
    for number, row in enumerate(everything):
        cells = row + [""] * (len(widths) - len(row))
        wrapped = [wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
        height = max((len(parts) for parts in wrapped), default=1)
        for level in range(height):
            pieces = []
            for index, parts in enumerate(wrapped):
                piece = parts[level] if level < len(parts) else ""
                pieces.append(align(piece, widths[index], right=numeric[index]))
            lines.append(GAP.join(pieces).rstrip())
        if header and number == 0:
            lines.append(GAP.join("-" * width for width in widths))
    return "\n".join(lines)
