"""One run, put together from the rooms below.

Imports none of its modules: the command line asks `run_status` without the rest, which knows every room.
"""
