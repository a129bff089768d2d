"""The auditor's second reading of the whole database."""
