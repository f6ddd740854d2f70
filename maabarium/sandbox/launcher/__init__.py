"""What confines a process from within: started as a program of its own, it becomes the target's program.

Standard library only, few imports (each costs start-up time), no import of Maabarium: it runs as `boot.py` under
`python -I -S -E`, always in the interpreter of Maabarium itself. It decides nothing: it executes a plan.
"""
