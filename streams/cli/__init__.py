"""The `cdb` command, one module for each group of commands."""
