"""`python -m tools.picture`: pictures of a real summary and a real comment, as GitHub shows them.

Plays a plan and a deployment for 3 and for 500 jobs against the embedded workspace, renders their Markdown
with GitHub's rules for tables, alerts and folded parts, and photographs the pages with Chromium. Needs
`chromium` on the PATH; nothing else of the project needs it. Writes `docs/images/`.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from markdown_it import MarkdownIt

from deployer.report.comment import Around, to_comment
from deployer.report.model import Report
from deployer.report.reading import read_report
from tools.demo import OLD_RELEASES, ROOT, run_action, sandbox

REPOSITORY = Path(__file__).resolve().parent.parent
IMAGES = REPOSITORY / "docs" / "images"
COUNTS = (3, 500)
_SUMMARY_PX, _COMMENT_PX = 1012, 780  # how wide GitHub makes a job summary and a comment
_TALLEST_PX = 1600
_TEAMS = ("finance", "stores", "wiki", "supply", "forecast")
_ALERT = re.compile(r"<blockquote>\s*<p>\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\](?:<br>)?\s*")
_MEASURE = "<script>document.body.dataset.tall = document.body.offsetHeight</script>"
_STYLE = """
body { font: 14px/1.5 -apple-system, "DejaVu Sans", "Noto Color Emoji", sans-serif; color: #1f2328;
       margin: 0; padding: 24px; background: #fff; }
h1, h2 { border-bottom: 1px solid #d1d9e0; padding-bottom: .3em; }
h2 { font-size: 1.5em; margin: 0 0 16px; } h3 { font-size: 1.25em; } h4 { font-size: 1em; }
a { color: #0969da; text-decoration: none; }
code { font: 12px "DejaVu Sans Mono", monospace; background: #eff1f3; padding: .2em .4em;
       border-radius: 6px; }
pre { background: #f6f8fa; padding: 16px; border-radius: 6px; } pre code { background: none; padding: 0; }
table { border-collapse: collapse; margin: 0 0 16px; display: block; max-width: 100%; overflow: auto; }
th, td { border: 1px solid #d1d9e0; padding: 6px 13px; } tr:nth-child(2n) td { background: #f6f8fa; }
details { margin: 0 0 12px; } summary { cursor: pointer; } blockquote { margin: 0 0 16px; padding: 0 1em;
  border-left: .25em solid #d1d9e0; color: #59636e; } .alert { border-color: #9a6700; color: inherit; }
"""


def main() -> int:
    """Make all pictures; the exit code is 0 when all were made."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keep", type=Path, help="folder for the Markdown and the pages")
    kept = arguments.parse_args().keep
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        print("There is no chromium on the PATH.", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for count in COUNTS:
            texts = _play(Path(folder) / str(count), count)
            for name, text in texts.items():
                width = _COMMENT_PX if "comment" in name else _SUMMARY_PX
                page = (kept or Path(folder)) / f"{name}-{count}.html"
                page.with_suffix(".md").write_text(text, encoding="utf-8")
                page.write_text(_page(text), encoding="utf-8")
                _photograph(browser, page, IMAGES / f"{name}-{count}.png", width)
    return 0


# ── What really happens ──────────────────────────────────────────────────────────────────────────


def _play(folder: Path, count: int) -> Mapping[str, str]:
    """The Markdown of a plan and of a deployment of the example library for so many jobs."""
    seed = folder / "seed"
    released = seed / "files" / ROOT.lstrip("/")
    released.mkdir(parents=True)
    build = [sys.executable, str(REPOSITORY / "examples" / "build_releases.py")]
    subprocess.run([*build, str(released), *OLD_RELEASES], check=True)
    for number in range(count + count // 10 + 1):
        (seed / f"{number:04d}.json").write_text(json.dumps(_job(number, count)), encoding="utf-8")
    with sandbox(seed, folder / "sandbox.log") as workspace:
        plan, _ = _run(folder, "plan", workspace)
        deployed, summary = _run(folder, "deploy", workspace)
    run = Around("https://github.com/acme/retail-metrics/actions/runs/41", "6dcb09b5" * 5)
    return {
        "comment": to_comment(plan, run),
        "comment-after": to_comment(deployed, replace(run, after_merge=True)),
        "summary": summary,
    }


def _job(number: int, count: int) -> Mapping[str, object]:
    """A job that moves, or one after the first `count` that stays."""
    stays = number >= count
    version = "2.0.0" if stays else ("1.4.1" if number % 3 else "1.4.0")
    wheel = f"{ROOT}/retail_metrics-{version}-py3-none-any.whl"
    team = _TEAMS[number % len(_TEAMS)]
    task = {
        "task_key": "report",
        "python_wheel_task": {"package_name": "retail_metrics", "entry_point": "report"},
        "libraries": [{"whl": wheel}],
        "new_cluster": {"spark_version": "16.4.x-scala2.12", "node_type_id": "x", "num_workers": 2},
    }
    schedule = {
        "quartz_cron_expression": f"0 {number % 60} {number % 24} * * ?",
        "timezone_id": "UTC",
    }
    return {
        "settings": {
            "name": f"{team}: revenue report {number:03d}",
            "tasks": [task],
            **({"schedule": schedule} if number % 4 else {}),
        }
    }


def _run(folder: Path, mode: str, workspace: Mapping[str, str]) -> tuple[Report, str]:
    """One run of the action's door; its report and its job summary."""
    output = folder / mode
    output.mkdir()
    inputs = {
        "mode": mode,
        "environment": "production",
        "project": "examples/library",
        "checks": "true" if mode == "plan" else "false",
        "root": ROOT,
        "report-path": str(output / "report.json"),
    }
    if run_action(inputs, workspace, output, quiet=True):
        raise SystemExit(
            f"The run in the mode {mode} failed; there is nothing to take a picture of."
        )
    report = read_report((output / "report.json").read_bytes())
    return report, (output / "summary.md").read_text(encoding="utf-8")


# ── What it looks like ───────────────────────────────────────────────────────────────────────────


def _page(markdown: str) -> str:
    body = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown)
    body = _ALERT.sub(lambda one: f'<blockquote class="alert"><p><b>{one[1].title()}</b><br>', body)
    return f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style><body>{body}{_MEASURE}"


def _photograph(browser: str, page: Path, image: Path, width: int) -> None:
    """A picture of the page from its top, as far as somebody scrolls."""
    shown = _browse(browser, page, f"--window-size={width},{_TALLEST_PX}", "--dump-dom")
    found = re.search(r'data-tall="(\d+)"', shown)
    tall = min(int(found[1]), _TALLEST_PX) if found else _TALLEST_PX
    _browse(browser, page, f"--window-size={width},{tall}", f"--screenshot={image}")


def _browse(browser: str, page: Path, *more: str) -> str:
    """What Chromium prints."""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *("--no-first-run", "--disable-background-networking", "--disable-sync"),
                *("--disable-component-update", f"--user-data-dir={profile}"),
                *(*more, page.as_uri()),
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
