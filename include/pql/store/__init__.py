"""The ledger: the only state there is. Small, relational, transactional (SQLite or PostgreSQL)."""
