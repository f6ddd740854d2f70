"""Rewrites: named codemods that make Python faster or simpler and leave the last word to the tests."""
