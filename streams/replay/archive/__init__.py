"""Sessions as folders: written, read back, proven, and only then let go of by the broker."""
