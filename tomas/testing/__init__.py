"""The conformance suite: what a part must keep to, to stand where TOMAS puts parts of its kind.

A package with a part of its own needs one test: `def test_it_conforms(): check_part(PART)`.
"""

from tomas.testing.suite import check_part

__all__ = ["check_part"]
