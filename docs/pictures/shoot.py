"""Take the README's pictures anew: a small simulated study, as its exported page looks in light and in dark.

python docs/pictures/shoot.py    needs Chromium, and playwright and pillow, which `pip install -e '.[test]'` brings
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import kling_nb as kn

HERE = Path(__file__).parent
SWEEP = kn.Sweep(
    prompt="a red fox runs through {weather}",
    weather=["snow", "heavy rain"],
    model=["kling-v1-6", "kling-v2-5-turbo"],
    mode=["std", "pro"],
)
STARS = (3, 4, 2, 5, 4, 5, 3, 4)


def exported(place: Path) -> Path:
    """Run the study in a folder and return its page."""
    with kn.Lab(place / "lab", simulate=kn.Simulation(speed=3000)) as lab:
        run = lab.start(SWEEP, name="fox")
        run.wait()
        for task, stars in zip(run.df["task"], STARS, strict=True):
            lab.rate(task, stars)
        lab.export(place / "page", run, x="model", y="weather")
    return place / "page" / "index.html"


def shoot(page_file: Path) -> None:
    """Open the page in light and in dark, wait until its clips have played for a while, and keep what is seen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": 960, "height": 540},
                color_scheme=scheme,
                device_scale_factor=1.5,
                bypass_csp=True,  # the page forbids what Playwright waits by
            )
            page.goto(page_file.as_uri())
            page.wait_for_function("[...document.querySelectorAll('video')].every((clip) => clip.currentTime > 3)")
            picture = Image.open(io.BytesIO(page.screenshot()))
            picture.save(HERE / f"comparison-{scheme}.webp", quality=80, method=6)
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        shoot(exported(Path(place)))
