"""automation-consumer: a YAML-configured Kafka consumer that runs typed actions for incidents."""

__version__ = "0.1.0"
