"""What other packages implement, and how they are found."""
