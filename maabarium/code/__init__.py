"""Code as text: Python files and their symbols, where faults are likely, and changes of it. Opens and starts nothing.

The only room that parses Python and unified diffs.
"""
