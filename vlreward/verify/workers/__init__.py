"""Tier 3: math-verify in persistent worker processes that are killed at a deadline."""
