"""What places are called, and the risk table of a day: data, and the script that builds it."""
