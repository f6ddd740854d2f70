"""The command line: `python -m loglens access.log`."""

import argparse
import sys

from loglens.analysis import analyse
from loglens.report import render


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="loglens", description="Say what happened in an access log.")
    parser.add_argument("log", nargs="?", default="-", help="a log file, or - for standard input")
    parser.add_argument("--limit", type=int, default=10, help="rows per list")
    parser.add_argument("--slow", type=float, default=1.0, help="seconds from which a request is slow")
    options = parser.parse_args(arguments)
    if options.log == "-":
        lines = sys.stdin.readlines()
    else:
        try:
            with open(options.log, encoding="utf-8", errors="replace") as log:
                lines = log.readlines()
        except OSError as error:
            print(f"loglens: {error}", file=sys.stderr)
            return 1
    print(render(analyse(lines, options.limit, options.slow)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
