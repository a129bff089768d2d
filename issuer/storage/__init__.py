"""One transaction: rows, seals, the one writer, and the hand-over to the log."""
