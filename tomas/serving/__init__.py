"""Plans for other programs: over HTTP, and as a model that MLflow can serve."""
