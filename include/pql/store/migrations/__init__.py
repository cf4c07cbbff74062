"""Alembic's folder: how each revision of the ledger is made from the one before."""
