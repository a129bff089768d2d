"""After a loss: what an old copy must not forget, and counts that must agree."""
