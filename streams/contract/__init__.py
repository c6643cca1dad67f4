"""Schemas as the contract between programs: what is released, what may change, who reads what."""
