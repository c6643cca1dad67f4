"""Running the house: the stack, sessions, migrations, reconciliation."""
