"""Rule sets as data: what makes a person red, yellow or green, and for how many days."""
