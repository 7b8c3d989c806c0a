"""`python -m automation_consumer`."""

from automation_consumer.cli.main import main

if __name__ == "__main__":
    main()
