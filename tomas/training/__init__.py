"""The training loop and what stands beside it: checkpoints, schedules, hooks. Nothing here knows a model."""
