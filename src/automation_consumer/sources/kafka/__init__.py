"""Kafka as the source of messages: the consumer, the broker inside the process, and what a dead letter looks like."""
