"""What the core knows about parts: their specs, the tables they stand in, and what happens when one is missing."""
