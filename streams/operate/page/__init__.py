"""The operator's page: a running session in a browser, and a kill switch that takes a token and two steps."""
