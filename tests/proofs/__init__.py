"""Proofs that take minutes to hours: the suite's own tests, more of them, from any seed."""
