"""Why an account scores what it scores, what moved, why it did or did not alert, what would qualify it."""
