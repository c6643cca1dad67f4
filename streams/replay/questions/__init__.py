"""What a session knew and did: its state at a moment, why a record came about, why an order was refused, the session played again."""
