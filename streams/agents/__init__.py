"""The only folder that knows Faust: one process per stage, supervised, with its web pages."""
