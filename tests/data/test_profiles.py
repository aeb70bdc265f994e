"""The shipped profiling table is what its generator makes, and as unruly as measured ones."""

import csv
import io
import json
from pathlib import Path

import numpy as np

from tomas.config import Params
from tomas.data.profiles import MODELS, make_profiles, significant
from tomas.data.readers import load_catalogue
from tomas.data.timelines import capacity
from tomas.data.validate import inversion_share, near_best_share
from tomas.domain.resources import RESOURCES

ROOT = Path(__file__).parents[2]
TOOLS, PROFILES = ROOT / "data/tool_registry/tools.json", ROOT / "data/profiling/profiling.csv"


def test_the_shipped_table_is_the_generators_own():
    assert PROFILES.read_text(encoding="utf-8") == make_profiles(0)


def test_another_seed_gives_other_latencies_for_the_same_configurations():
    ours, other = (list(csv.reader(io.StringIO(make_profiles(seed)))) for seed in (0, 1))
    assert [row[:-1] for row in ours] == [row[:-1] for row in other]
    assert np.mean([mine[-1] != theirs[-1] for mine, theirs in zip(ours[1:], other[1:], strict=True)]) > 0.8


def test_the_registry_and_the_table_name_the_same_tools_in_the_same_order():
    assert [tool["name"] for tool in json.loads(TOOLS.read_text(encoding="utf-8"))] == list(MODELS)


def test_the_table_has_near_ties_and_inversions_as_measured_tables_have():
    catalogue = load_catalogue(TOOLS, PROFILES)
    assert len(catalogue) == len(MODELS) * 3 * 3**4
    assert 0.25 <= near_best_share(catalogue) <= 0.45
    inversions = inversion_share(catalogue, RESOURCES.index("gpu_sm"))
    assert inversions is not None
    assert 0.10 <= inversions <= 0.30


def test_every_row_fits_the_default_machine():
    catalogue = load_catalogue(TOOLS, PROFILES)
    assert (catalogue.requirement <= capacity(Params().machine)).all()


def test_the_known_row_is_in_the_table_exactly():
    assert "\nsuper_resolution,small,4,4,50,2,5800\n" in make_profiles(0)
    assert "\nsuper_resolution,small,4,4,50,2,5800\n" in make_profiles(7)


def test_latencies_are_written_with_three_digits():
    assert [significant(value) for value in (5812.3, 84.249, 0.12345, 100)] == ["5810", "84.2", "0.123", "100"]
