"""Where messages come from, and the formats that make incidents of them."""
