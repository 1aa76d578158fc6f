"""Writes the public API of an installed anndataoom 0.1.8 to python_api_018.json:

    PYTHON make_python_api.py

The file has, by name, the parameters and defaults of a function or class and of a class's public
methods; null for properties.
"""

import inspect
import json
from pathlib import Path

import anndataoom as oom

MORE = ["DEFAULT_CHUNK_SIZE", "_FrozenRaw", "_SubsetBackedArray"]


def parameters(f):
    try:
        found = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return None
    return [[p.name, p.kind.name, None if p.default is p.empty else repr(p.default)] for p in found if p.name != "self"]


def main():
    assert oom.__version__ == "0.1.8", oom.__version__
    from anndataoom import _core

    api = {}
    for name in sorted([*oom.__all__, *MORE]):
        thing = getattr(oom, name, None) or getattr(_core, name)
        if inspect.isclass(thing):
            members = {m: parameters(getattr(thing, m)) for m in dir(thing) if not m.startswith("_")}
            api[name] = {"parameters": parameters(thing), "members": members}
        else:
            api[name] = {"parameters": parameters(thing) if callable(thing) else None, "members": {}}
    out = Path(__file__).with_name("python_api_018.json")
    out.write_text(json.dumps(api, indent=1) + "\n")


if __name__ == "__main__":
    main()
