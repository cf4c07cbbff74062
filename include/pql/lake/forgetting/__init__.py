"""Forgetting a person in the lake: their traces found, erased, and withheld when they come again."""
