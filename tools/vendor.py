"""Brings the desk's few browser libraries from the npm registry into src/smsbridge/web/desk/vendor.

    python tools/vendor.py          fetches the versions named below, rewrites their imports, writes MANIFEST.json

Nothing of this runs when the desk is served: there is no build step. tests/desk checks the files against the manifest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VENDOR: Final = Path(__file__).parent.parent / "src/smsbridge/web/desk/vendor"


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """One npm package. `files`: the name here, by the path in the package."""

    name: str
    version: str
    files: dict[str, str]


LIBRARIES: Final = (
    Library(
        name="preact",
        version="10.29.8",
        files={"dist/preact.module.js": "preact.js", "hooks/dist/hooks.module.js": "preact-hooks.js"},
    ),
    Library(name="@preact/signals-core", version="1.14.5", files={"dist/signals-core.module.js": "signals-core.js"}),
    Library(name="@preact/signals", version="2.11.4", files={"dist/signals.module.js": "signals.js"}),
    Library(name="htm", version="3.1.1", files={"dist/htm.module.js": "htm.js"}),
    Library(
        name="emoji-picker-element",
        version="1.29.1",
        files={"picker.js": "emoji-picker.js", "database.js": "emoji-database.js"},
    ),
    Library(
        name="emoji-picker-element-data", version="1.8.0", files={"en/cldr-native/data.json": "emoji-data.en.json"}
    ),
)
IMPORTS: Final = {
    '"preact/hooks"': '"./preact-hooks.js"',
    '"preact"': '"./preact.js"',
    '"@preact/signals-core"': '"./signals-core.js"',
    "'./database.js'": "'./emoji-database.js'",
}
"""Bare names need an import map, which a strict Content-Security-Policy would have to allow as an inline script."""


def main() -> None:
    VENDOR.mkdir(parents=True, exist_ok=True)
    entries = [entry for library in LIBRARIES for entry in fetch(library)]
    picker = (VENDOR / "emoji-picker.js").read_text("utf-8")
    manifest = {"files": entries, "emoji_picker_style": style_hash(picker)}
    (VENDOR / "MANIFEST.json").write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


def fetch(library: Library) -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as scratch:
        packed = subprocess.run(
            ["npm", "pack", "--silent", f"{library.name}@{library.version}"],
            cwd=scratch, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        with tarfile.open(Path(scratch) / packed) as archive:
            archive.extractall(scratch, filter="data")
        package = Path(scratch) / "package"
        facts = json.loads((package / "package.json").read_text("utf-8"))
        licence = next(iter(sorted(package.glob("LICEN[CS]E*"))), None)
        if licence is not None:
            target = VENDOR / f"{library.name.replace('/', '-').lstrip('@')}.LICENSE"
            target.write_text(licence.read_text("utf-8"), "utf-8")
        entries = []
        for source, name in library.files.items():
            text = (package / source).read_text("utf-8")
            if name.endswith(".js"):
                text = rewrite(text)
            (VENDOR / name).write_text(text, "utf-8")
            entries.append(
                {
                    "file": name,
                    "package": library.name,
                    "version": library.version,
                    "licence": facts["license"],
                    "sha256": hashlib.sha256(text.encode()).hexdigest(),
                }
            )
        return entries


def rewrite(text: str) -> str:
    for bare, relative in IMPORTS.items():
        text = re.sub(rf"(from\s*|import\s*){re.escape(bare)}", rf"\g<1>{relative}", text)
    return re.sub(r"\n?//# sourceMappingURL=.*\s*$", "\n", text)


def style_hash(picker: str) -> str:
    """What the Content-Security-Policy must name: the picker writes one fixed <style> into its shadow root."""
    base = re.search(r'baseStyles = ("(?:[^"\\]|\\.)*")', picker)
    extra = re.search(r"EXTRA_STYLES = `(.*)`;", picker)
    fonts = re.search(r"FONT_FAMILY = ('[^;]*);", picker)
    if base is None or extra is None or fonts is None:
        raise SystemExit("the emoji picker keeps its styles elsewhere now")
    family = "".join(re.findall(r"'((?:[^'\\]|\\.)*)'", fonts[1]))
    style = json.loads(base[1]) + extra[1].replace("${FONT_FAMILY}", family)
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


if __name__ == "__main__":
    main()
