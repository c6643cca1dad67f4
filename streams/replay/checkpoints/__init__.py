"""What stood on a session's topics at one moment, in one hash that can be signed and held against it later."""
