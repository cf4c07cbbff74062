"""Forgetting a person everywhere: lake and ledger, looked over again afterwards."""
