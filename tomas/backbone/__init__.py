"""The language model under the planner: where its weights come from, how it is loaded, adapted and spoken to."""
