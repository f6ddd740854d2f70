"""An analysis as text."""


def render(analysis):
    """The report, ready to be printed."""
    text = ""
    text += f"{analysis.requests} requests, {analysis.skipped} lines skipped, {human_size(analysis.size)}"
    text += f" (a request: ± {human_size(analysis.size_spread)})\n"
    text += f"{analysis.paths} paths, {analysis.addresses} addresses, {analysis.internal} requests from inside\n"
    text += f"{analysis.visitors} visitors in {analysis.sessions} sessions, {analysis.robots} requests by robots\n"
    text += "\nStatus\n"
    for status, number in analysis.statuses.items():
        text += f"  {status}  {number:>7}  {share(number, analysis.requests)}\n"
    text += "\nHour\n"
    most = max(list(analysis.hours.values()) + [1])
    for hour, number in analysis.hours.items():
        text += f"  {hour:02}  {number:>7}  {'#' * round(40 * number / most)}\n"
    for title, rows in (
        ("Routes", analysis.routes),
        ("Failing", analysis.failing),
        ("Browsers", analysis.families),
        ("Words", analysis.words),
    ):
        text += f"\n{title}\n"
        for name, number in rows:
            text += f"  {number:>7}  {name}\n"
    text += f"\nTimes (median, p90, p99; all: ± {analysis.spread:.3f}, pauses: ± {analysis.pause_spread:.3f})\n"
    for item in analysis.times:
        text += f"  {item.median:>7.3f} {item.p90:>7.3f} {item.p99:>7.3f}  {item.route} ({item.requests})\n"
    text += "\nSlow requests\n"
    for seconds, method, path in analysis.slow:
        text += f"  {seconds:>7.3f}  {method} {path}\n"
    return text


def human_size(number):
    """Bytes in the unit that a person would choose."""
    size = float(number)
    for unit in ["B", "KiB", "MiB", "GiB"]:
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def share(number, whole):
    """A part of a whole in percent."""
    if whole == 0:
        return "-"
    return f"{100 * number / whole:.1f} %"
