"""What a page shows: ranked accounts, one account, deliveries, definitions; from newest snapshots and the ledger."""
