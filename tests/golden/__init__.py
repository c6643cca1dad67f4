"""Small recorded sessions whose every decision is held: they change only on purpose, with a reason."""
