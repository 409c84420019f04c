"""Makes the pictures of docs/pictures/: `python scripts/screenshots.py`. The report's needs a Chromium.

The report of a LeNet that is trained for it, its top as a browser shows it on a light screen, its test on a dark one;
and the drawings of three nets as SVG, which follow the reader's screen. Pictures have few colours, so that they are
small.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.helpers.browser import browser  # noqa: E402

PICTURES = ROOT / "docs/pictures"
NETS = {"lenet": (), "googlenet": (), "resnet50": ("--depth", "1")}
TRAINING = ("max_iter=1500", "test_interval=250", "display=25", "snapshot=1500")
WIDTH, HEIGHT = 1280, 800
COLORS = 96


def netspec(*words: str | Path) -> None:
    """Run a command of netspec."""
    subprocess.run([sys.executable, "-m", "netspec", *map(str, words)], check=True, cwd=ROOT)


def keep(picture: Image.Image, name: str) -> None:
    """Write a picture with few colours, the rare ones of lines among them."""
    path = PICTURES / f"{name}.png"
    picture.convert("RGB").quantize(COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


def reports(run: Path) -> None:
    """The top of a run's report, and its test."""
    with browser() as chromium:
        for name, section, dark in (("report", None, False), ("report_test", "test", True)):
            with chromium.page(run / "report.html", dark=dark, width=WIDTH) as page:
                top = page.run(f"document.getElementById('{section}').offsetTop") if section else 0
                whole = Image.open(io.BytesIO(page.picture()))
                keep(whole.crop((0, top, WIDTH, min(top + HEIGHT, whole.height))), name)


def main() -> None:
    """Make all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        run = Path(folder) / "lenet-1"
        netspec("train", "lenet", *TRAINING, "--quiet", "-o", run)
        netspec("report", run)
        reports(run)
    for net, options in NETS.items():
        netspec("draw", net, *options, "-o", PICTURES / f"{net}.svg")


if __name__ == "__main__":
    main()
