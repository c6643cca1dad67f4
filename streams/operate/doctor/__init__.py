"""The doctor: looks at everything a session needs and says go or no-go. It changes nothing."""
