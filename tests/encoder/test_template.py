"""A row's sentence is the fixed template, and its spans are its values."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomas.domain.resources import SIZES
from tomas.encoder.template import sentence, two_digits

numbers = st.floats(1e-4, 1e9).map(lambda number: float(f"{number:.4g}"))


def test_the_example_of_the_design_comes_out_to_the_letter() -> None:
    made = sentence("super_resolution", 0, [4.0, 4.0, 50.0, 2.0, 5800.0])
    assert made.text == (
        "Tool super_resolution configuration: input size small, requires 4 CPU cores, 4 GB memory, 50 GPU SMs, "
        "2 GB GPU memory, and latency is 5800 ms."
    )
    assert [made.text[start:stop] for start, stop in made.values] == ["small", "4", "4", "50", "2", "5800"]


@settings(deadline=None)
@given(st.text(max_size=20), st.integers(0, 2), st.lists(numbers, min_size=5, max_size=5))
def test_the_spans_hold_the_values_and_nothing_of_them_is_left_outside(
    tool: str, size_id: int, row: list[float]
) -> None:
    made = sentence(tool, size_id, row)
    values = [made.text[start:stop] for start, stop in made.values]
    assert values[0] == SIZES[size_id]
    assert [float(value) for value in values[1:5]] == row[:4]
    assert float(values[5]) == pytest.approx(row[4], rel=0.05)
    rest = made.text
    for start, stop in reversed(made.values):
        rest = rest[:start] + "_" + rest[stop:]
    assert rest == (
        f"Tool {tool} configuration: input size _, requires _ CPU cores, _ GB memory, _ GPU SMs, _ GB GPU memory, "
        "and latency is _ ms."
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [(5812.3, "5800"), (37.4, "37"), (0.4249, "0.42"), (99.7, "100"), (7.0, "7"), (2.54, "2.5"), (1234567, "1200000")],
)
def test_latency_has_two_significant_digits_and_no_exponent(number: float, words: str) -> None:
    assert two_digits(number) == words
