"""What happens next in a run: ask, tell, keep or revert."""
