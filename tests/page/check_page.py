#!/usr/bin/env python3
"""Opens a report page in headless Chromium, light and dark, at desktop and phone width, and runs axe-core on it.

    python3 check_page.py PAGE.html [PICTURES]

Prints each rule that axe finds broken, and whatever is wider than the window; the exit code is 1 then. With PICTURES,
a folder, a picture of each view is left there to be looked at. Needs chromium and the Python package
axe-playwright-python, of which only the bundled axe.min.js is used. Not part of the test suite.
"""
import json
import re
import subprocess
import sys
import tempfile
from html import unescape
from importlib.util import find_spec
from pathlib import Path

AXE = Path(find_spec("axe_playwright_python").origin).parent / "axe.min.js"
REPORT = """
<script>%s</script>
<script>
axe.run().then(result => {
  const wide = [...document.querySelectorAll("body *")].filter(e => !e.closest(".scroll") &&
    e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(e => e.outerHTML.slice(0, 80));
  const broken = result.violations.map(v => [v.id, v.impact, v.help, v.nodes.slice(0, 3).map(n => n.html.slice(0, 120))]);
  document.body.innerHTML = "";
  const out = document.createElement("pre");
  out.id = "result";
  out.textContent = JSON.stringify({broken, wide, passed: result.passes.length});
  document.body.append(out);
});
</script></body>"""


def chromium(*arguments):
    # A window of a headless Chromium is never narrower than 500 pixels.
    return subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *arguments],
                          capture_output=True, text=True, check=True).stdout


def main():
    page, pictures = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    text = page.read_text(encoding="utf-8")
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        checked = Path(folder) / "page.html"
        checked.write_text(text.replace("</body>", REPORT % AXE.read_text(encoding="utf-8")), encoding="utf-8")
        for width in (1200, 500):
            for dark in (False, True):
                view = [f"--window-size={width},2000"] + (["--blink-settings=preferredColorScheme=0"] if dark else [])
                dom = chromium(*view, "--virtual-time-budget=60000", "--dump-dom", checked.as_uri())
                result = json.loads(unescape(re.search(r'<pre id="result">(.*?)</pre>', dom, re.S).group(1)))
                name = f"{width} pixels, {'dark' if dark else 'light'}"
                print(f"{name}: {result['passed']} rules hold")
                for fault in result["broken"] + [["too wide", "", "", [element]] for element in result["wide"]]:
                    faults += 1
                    print("  ", *fault)
                if pictures:
                    pictures.mkdir(parents=True, exist_ok=True)
                    shot = pictures / f"{width}-{'dark' if dark else 'light'}.png"
                    chromium(f"--window-size={width},9000", *view[1:], f"--screenshot={shot}", page.resolve().as_uri())
    sys.exit(1 if faults else 0)


main()
