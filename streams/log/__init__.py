"""The log: its interface, three implementations (Kafka, memory, archive), the event-time merge, journal and snapshots."""
