"""The `pytest` evaluator: grades a tree by the target's own suite and the blueprint's rules, in a sandboxed child.

`plan` says which sessions a stage needs, `session` runs one, `stream` and `transcript` take in what it reports, `grade`
turns that into an evaluation, of `gates` and `measured` numbers. Nothing here believes a summary made by the child.
"""
