"""What a health code is, and whether to accept one. Runs offline."""

__version__ = "0.1.0"
