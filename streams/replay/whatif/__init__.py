"""The session under other settings, made again and held against the one that was."""
