"""A recorded session as everything here reads it: its log, its tasks run again, places found on it."""
