"""`python -m maabarium`: the same as the `maabarium` command."""

from __future__ import annotations

from maabarium.cli import main

if __name__ == "__main__":
    main()
