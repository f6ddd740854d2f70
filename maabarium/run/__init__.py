"""One run, put together from the rooms below. Imports none of them: the command line asks `run_status` alone."""
