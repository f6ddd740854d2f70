"""Git and the file system: the target, the private repository, worktrees, path rules, locks, applying."""
