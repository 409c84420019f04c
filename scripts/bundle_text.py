"""Makes netspec/bundled/new_testament: the New Testament of 1611, a verse a line, without the verses' numbers.

Run it as `python scripts/bundle_text.py [FOLDER] [PROGRAM]`; FOLDER holds `bible.data` of Debian's package
bible-kjv-text, PROGRAM is `bible` of its package bible-kjv (default: where the packages put them). The same input gives
the same bytes under the same zlib.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "netspec" / "bundled" / "new_testament"
VERSES = "mt1:1-rev22:21"


def main(folder: str = "/usr/lib", program: str = "bible") -> None:
    """Write the text."""
    command = [program, "-f", "-p", folder, "-d", "bible.data", VERSES]
    run = subprocess.run(
        command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, encoding="ascii"
    )
    lines = [line.split(" ", 1)[1].strip() + "\n" for line in run.stdout.splitlines() if line.strip()]
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "new_testament.txt.gz").write_bytes(gzip.compress("".join(lines).encode("ascii"), 9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
