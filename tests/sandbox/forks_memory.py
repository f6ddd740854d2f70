"""Memory of a kept program that its sessions see: attacks change it, witnesses look at it."""

import builtins
import json

SECRET = {"value": "as it was " * 3}
LENGTH = builtins.len


def digest() -> str:
    """What is in it now."""
    return json.dumps([SECRET, LENGTH("abc")])
