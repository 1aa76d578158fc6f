"""Checks that running out of address space is a MemoryError, and never ends the process."""

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
    # With enough address space the pipeline must succeed.
    assert status == 0 or more < 4000, said
