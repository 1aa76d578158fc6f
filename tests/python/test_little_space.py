"""Running out of address space is a MemoryError, never the end of the process."""

import re
import sys

import pytest
from conftest import EXAMPLE
from little_space import run

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of address space are Linux's")


@pytest.mark.parametrize("more", [0, 40, 90, 150, 220, 300, 400, 4000])
def test_the_pipeline_ends_in_a_result_or_an_error(more, tmp_path):
    status, said = run(EXAMPLE, tmp_path / "out.h5ad", more)
    assert status in (0, 3), said
    assert status == 0 or re.search(r"needs \d+ bytes", said), said
    # Enough is enough.
    assert status == 0 or more < 4000, said
