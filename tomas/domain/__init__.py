"""The nouns of TOMAS: tools, configurations, timelines, requests, plans, the oracle. No torch here."""
