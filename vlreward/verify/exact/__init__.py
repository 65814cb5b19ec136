"""Tier 1: exact arithmetic in this process, from text to canonical values to a verdict.

The path of an answer: `text` -> `lexer` -> `expression` -> `quantity` -> `statement` -> `values`,
compared by `compare`; `settle` is its one entry.
"""
