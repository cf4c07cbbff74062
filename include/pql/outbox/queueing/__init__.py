"""Rows in: what a decision, a digest or a retraction adds to the outbox, one key for each effect."""
