"""What the process shows over HTTP: metrics and health."""
