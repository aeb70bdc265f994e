"""The version of this package, where the core can read it without looking at the package above it."""

__version__ = "0.1.0"
