"""The gate: whether days on paper are evidence enough to go on, judged by criteria that are all measured."""
