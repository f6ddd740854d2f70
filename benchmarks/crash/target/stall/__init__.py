"""A market stall: a price list, and receipts made from it."""
