"""Who somebody is, how they bind a phone, and what they and a desk may do."""
