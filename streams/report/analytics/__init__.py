"""Questions about what sessions did, over Postgres or over records as they stand on a log or in an archive: equal answers."""
