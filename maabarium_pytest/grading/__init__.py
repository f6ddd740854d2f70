"""The `pytest` evaluator: grades a tree by the target's own suite and the blueprint's rules, in a sandboxed child.

`evaluator` decides which sessions a stage needs, `session` runs one, `stream` and `transcript` hear what it says,
`gates` and `measured` turn that into verdicts and numbers. Nothing here believes a summary made by the child.
"""
