#!/usr/bin/env python3
"""One HTML file that tells a run from its ledger alone, and its figures as PNG and PDF: what `raysearch report` writes.

Example:
    python analysis/report.py runs/demo-20260101-120000 --out report
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from raysearch.errors import UserError
from raysearch.report.page.build import write_report


def main() -> int:
    """Reads the arguments, writes the report. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("--out", type=Path, help="a folder to write to; RUN/report where none is given")
    arguments = parser.parse_args()
    try:
        for path in write_report(arguments.run, arguments.out):
            print(path)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
