"""The first file of a launched process: makes its package importable and hands over.

Arguments: the descriptors of the control socket and of the leash, see `program`.
"""

import os
import sys

if __name__ == "__main__":
    # At the end of the path: the neighbours of this package have names of the standard library (`subprocess`).
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    __import__("launcher.program", fromlist=["main"]).main(int(sys.argv[1]), int(sys.argv[2]))
