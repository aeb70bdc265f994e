"""Phase 0: a profile row becomes a vector the language model can read, and the vectors become the output head."""
