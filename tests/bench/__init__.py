"""`make bench`: what the platform does on this machine, each number beside a baseline of the same run."""
