"""The site builds without a warning, and says what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from typer.main import get_command

from napari_dim.cli import app
from napari_dim.io.formats import READERS, WRITERS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_site_builds_and_all_its_links_lead_somewhere(tmp_path):
    """Strict: a link, an anchor, a picture or an API page that is missing fails the build."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir"]
    done = subprocess.run([*command, tmp_path / "site"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    home = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "From an unlabelled scan" in home
    # Nothing is fetched from elsewhere by whoever reads it.
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?://(?!napari)', home)


def test_every_picture_of_the_docs_is_shown():
    text = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    text += (ROOT / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in (DOCS / "images").iterdir() if p.name not in text] == []


def test_the_keys_are_those_of_the_window():
    from napari_dim.gui.keys import SHOWN

    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", page("workspace/keys.md"), flags=re.MULTILINE)
    assert rows == list(SHOWN)


def test_the_command_line_has_every_command_and_option():
    text = page("command-line.md")
    for name, command in get_command(app).commands.items():
        start = text.find(f"## `{name}")
        assert start >= 0, name
        end = text.find("\n## ", start + 1)
        section = text[start:end]
        for option in (text for item in command.params for text in item.opts):
            if option.startswith("--") and option != "--help":
                assert f"`{option}" in section, f"{name} {option}"


def test_the_formats_are_those_of_the_table():
    reading, writing = page("formats.md").split("## Writing")
    for one in READERS:
        row = next((r for r in reading.splitlines() if r.startswith(f"| {one.name} |")), "")
        assert row, f"{one.name} is not among those that can be read"
        assert all(f"`{suffix}`" in row for suffix in one.suffixes), one.name
    for two in WRITERS:
        row = next((r for r in writing.splitlines() if f"| `{two.key}` |" in r), "")
        assert row, f"{two.key} is not among those that can be written"
        assert all(f"`{suffix}`" in row for suffix in two.written), two.key
