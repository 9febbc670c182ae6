#!/usr/bin/env python3
"""Writes the Grafana dashboards of deploy/monitoring/grafana/dashboards anew.

    tools/dashboards.py            writes the files
    tools/dashboards.py --check    names those that it would change, and fails then
"""

from __future__ import annotations

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from grafana import fine_tuning, fleet, gradient_flow, serving  # noqa: E402

FOLDER = (pathlib.Path(__file__).resolve().parents[1]
          / "deploy" / "monitoring" / "grafana" / "dashboards")
# In the order of the links.
TITLES = {
    "resnetd-serving": "Serving",
    "resnetd-fine-tuning": "Fine-tuning",
    "resnetd-gradient-flow": "Gradient flow",
    "resnetd-fleet": "Fleet",
}


def texts() -> dict[str, str]:
    """The text of each file."""
    made = [module.make(TITLES) for module in (serving, fine_tuning, gradient_flow, fleet)]
    return {f"{one['uid'].removeprefix('resnetd-')}.json":
            json.dumps(one, indent=2, ensure_ascii=False) + "\n" for one in made}


def main() -> int:
    stale = []
    for name, text in texts().items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in sys.argv[1:]:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    if "--check" in sys.argv[1:] and stale:
        print(f"not what tools/dashboards.py writes: {', '.join(stale)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
