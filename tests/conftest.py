"""What holds for every test."""

from hypothesis import settings

# Tests share their cores with others: a slow moment is no wrong answer. Time is held to where a test says so.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
