"""What every process counts and measures: one catalogue of names, and the only way to make a metric of them."""
