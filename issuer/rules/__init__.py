"""Rule sets as signed data: their shape, what no rule set may say, and what decides by them."""
