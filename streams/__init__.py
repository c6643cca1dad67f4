"""Claire de Binare: paper trading on Kafka, replayable byte for byte."""
