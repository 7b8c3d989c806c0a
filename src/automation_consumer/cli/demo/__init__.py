"""`demo`: the whole service on stand-ins, nothing outside this machine touched."""

from automation_consumer.cli.demo.command import demo

__all__ = ["demo"]
