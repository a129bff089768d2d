"""Handlers by subject. Each module has its bodies, its answers and its `ROUTES`."""
