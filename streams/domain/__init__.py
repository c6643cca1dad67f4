"""The pure core: trading rules as functions of their arguments. No clock, randomness, I/O, Kafka or Faust."""
