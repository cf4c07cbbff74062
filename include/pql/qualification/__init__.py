"""Scored snapshots and ledger facts in, decisions out; pure: it neither reads nor writes the ledger."""
