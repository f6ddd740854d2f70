"""Language models: providers, the pool that asks them, prices, keys and recordings."""
