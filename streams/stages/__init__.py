"""The three stages (signals, risk, execution): domain steps composed into `step(state, event)`."""
