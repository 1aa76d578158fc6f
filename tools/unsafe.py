"""Lists the unsafe code of the core with its reasons: python3 tools/unsafe.py > inst/design/unsafe.md

Fails when a use has no comment that says why it is sound.
"""

import re
import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
core = root / "src/rust/crates/core/src"
HEAD = """# Unsafe code

Made by `python3 tools/unsafe.py`: every use in the core with the comment beside it. There are four kinds: calls of C
libraries (HDF5, libdeflate, Blosc; `h5call!` of the hdf5 crate wraps most, under HDF5's lock), numbers seen as bytes and
back, memory that is filled before it is read, and vector instructions behind a test for them. Miri cannot run what calls
C; valgrind 3.19 (memcheck) found no error in 25 tests that reach it: all of `versions`, 14 of 16 of `matrix_rules` and 8 of
10 of `element_read`. The other four run without it: damage done thousands of times and 2^31 values were left out, and
elements that claim huge extents had not ended after 25 minutes.

| where | why it is sound |
|---|---|"""

missing = []
print(HEAD)
for path in sorted(core.rglob("*.rs")):
    lines = path.read_text().splitlines()
    shared = ""
    for i, line in enumerate(lines):
        code = line.split("//")[0]
        if not re.search(r"\bunsafe\b", code):
            continue
        # The comment may stand before the statement or the loop, and a later use may say "as above".
        for back in range(i, max(-1, i - 13), -1):
            found = re.search(r"(?:SAFETY:|# Safety)(.*)", lines[back])
            if found:
                text, k = found.group(1), back + 1
                while k <= i and lines[k].strip().startswith("//"):
                    text += " " + lines[k].strip().lstrip("/!").strip()
                    k += 1
                shared = text.strip() or shared
                break
        else:
            if "extern" not in code and not re.search(r"unsafe (fn|trait|impl)", code):
                missing.append(f"{path.relative_to(root)}:{i + 1}: {line.strip()}")
            continue
        shared = shared.replace("|", "\\|")
        print(f"| {path.relative_to(core)}: `{code.strip()[:60].replace('|', '/')}` | {shared} |")
if missing:
    print("\n".join(["without a reason:", *missing]), file=sys.stderr)
    sys.exit(1)
