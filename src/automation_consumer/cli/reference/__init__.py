"""The generated pages of the documentation: `python -m automation_consumer.cli.reference docs` writes them.

They come from the code itself (the schema, the registry, the metrics, the command table, the enums), so that they
cannot say anything else than the code does; a test fails when the files are stale.
"""
