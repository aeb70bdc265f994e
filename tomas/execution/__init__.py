"""From a plan to a run: on this machine under the plan's limits, or written down for another engine."""
