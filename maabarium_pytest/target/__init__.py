"""What runs inside the evaluated process: standard library and pytest only, Python 3.9 and pytest 7.4 or newer.

It must not import Maabarium (the target's interpreter may not have it) and decides nothing: it reports what
happens, the parent forms every verdict. Modules import one another relatively, for the package has another name
in the child (`maabarium_target`, see `boot`).
"""
