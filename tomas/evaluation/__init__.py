"""How good plans are: metrics, planners without a model to compare with, the report."""
