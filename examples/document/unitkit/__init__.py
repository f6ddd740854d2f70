"""Lengths and temperatures, converted."""

__all__ = ["celsius", "fahrenheit", "feet", "metres"]


def metres(feet: float) -> float:
    """Metres for a length in feet."""
    return feet * 0.3048


def feet(metres: float) -> float:
    """Feet for a length in metres."""
    return metres / 0.3048


def celsius(fahrenheit: float) -> float:
    """Degrees Celsius for degrees Fahrenheit."""
    return (fahrenheit - 32) / 1.8


def fahrenheit(celsius: float) -> float:
    """Degrees Fahrenheit for degrees Celsius."""
    return celsius * 1.8 + 32
