"""Where alerts go: Alertmanager's settings, and a receiver that shows them on this machine."""
