"""What can be said of code and changes of it as text: no files, no processes, no proposals."""
