#!/usr/bin/env python
"""Screenshots of pages, wide and as on a phone: `python tools/screenshots.py PAGE.html OUT_DIR` makes OUT_DIR/PAGE_1280.png
and OUT_DIR/PAGE_400.png. Needs Chromium."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WIDTHS = {1280: 1900, 400: 1900}  # and heights
COLOURS = 256  # enough for pages, at a third of the size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('page', type=Path, metavar='PAGE.html')
    parser.add_argument('out_dir', type=Path, metavar='OUT_DIR')
    args = parser.parse_args()
    browser = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if browser is None:
        sys.exit('error: Chromium is needed: apt-get install chromium')
    if not args.page.is_file():
        sys.exit(f"error: page '{args.page}' does not exist")
    from PIL import Image

    for width, height in WIDTHS.items():
        out = args.out_dir / f'{args.page.stem}_{width}.png'
        with tempfile.TemporaryDirectory() as profile:
            options = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', f'--user-data-dir={profile}']
            page = [f'--window-size={width},{height}', f'--screenshot={out.resolve()}', args.page.resolve().as_uri()]
            subprocess.run([browser, *options, *page], check=True, capture_output=True, timeout=120)
        Image.open(out).convert('RGB').quantize(COLOURS, method=Image.Quantize.FASTOCTREE).save(out, optimize=True)
        print(f'{out}: {out.stat().st_size // 1024} KiB')


if __name__ == '__main__':
    main()
