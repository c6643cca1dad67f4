"""Backups: the database as SQL, every session's topics as an archive, and a manifest that says what both must be."""
