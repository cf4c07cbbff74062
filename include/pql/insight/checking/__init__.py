"""A definition held against the data: events never seen, thresholds nobody reaches, windows before history."""
