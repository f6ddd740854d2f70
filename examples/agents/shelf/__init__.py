"""Where a book stands: by author, then by title."""
