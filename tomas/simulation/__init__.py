"""Many requests on one machine: each plan takes its resources away from what the next ones find free."""
