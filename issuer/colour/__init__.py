"""From evidence to a colour with reasons, and from a change to everybody whom it concerns."""
