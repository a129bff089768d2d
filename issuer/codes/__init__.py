"""From a decision to signed codes: positions, keys, batches, taking back, making anew."""
