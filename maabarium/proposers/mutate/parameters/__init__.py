"""Parameters: values that a comment marks as open, and, when asked, numbers that nobody marked."""
