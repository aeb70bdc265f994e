"""Memory that was freed is used again without asking the system for it."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from tomas.memory import keep_freed
if sys.argv[1] == "keep":
    keep_freed()
for _ in range(8):
    block = bytearray(40 << 20)
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="an option of glibc")
def test_freed_memory_is_kept() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "leave")
    }
    assert faults["keep"] * 4 < faults["leave"]
