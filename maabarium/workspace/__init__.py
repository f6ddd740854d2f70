"""Git and the file system: the target, the private repository, worktrees, path rules, locks, applying.

Nothing outside this room runs git. Knows no blueprint, proposer, evaluator or verdict.
"""
