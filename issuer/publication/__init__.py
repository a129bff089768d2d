"""What a web server gives to everybody: status lists, deltas, snapshots."""
