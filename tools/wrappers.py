"""Writes R/extendr-wrappers.R: one R function for each `#[extendr] fn rs_*(args: Robj)` of the R crate.

python3 tools/wrappers.py
"""

import re
from pathlib import Path

root = Path(__file__).resolve().parent.parent
pattern = re.compile(r"#\[extendr\]\s*(?:pub(?:\(crate\))? )?fn (rs_\w+)\(args: Robj\)")
names = sorted(
    name for file in (root / "src/rust/crates/r/src").glob("*.rs") for name in pattern.findall(file.read_text())
)
lines = ["# Made by tools/wrappers.py from src/rust/crates/r/src: do not edit.", ""]
lines += [f"{name} <- function(args) .Call(wrap__{name}, args)" for name in names]
(root / "R/extendr-wrappers.R").write_text("\n".join(lines) + "\n")
