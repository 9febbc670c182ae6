#!/usr/bin/env python3
"""Fails when a document names what does not exist.

Links between files and to headings, files of the repository in backticks,
commands of ./dev, and the length of the README.
"""
import re
import sys

import lintlib

README_LINES = 150
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:server|client|proto|tests|tools|docs|deploy|cmake"
                  r"|demo|data|\.ci|\.github)/[\w./-]*"
                  # Not a resource name: models/NAME.
                  r"|models/(?![A-Z])[\w./-]*)`")
DEV = re.compile(r"\./dev +([a-z]+)(?: +([a-z]+))?")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def headings(text: str):
    """GitHub's anchors of a document's headings."""
    for match in re.finditer(r"^#+ +(.+?)\s*$", FENCE.sub("", text),
                             re.MULTILINE):
        plain = re.sub(r"[`*]", "", match[1]).lower()
        yield re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def link_complaints(root, path, text):
    name = lintlib.relative(root, path)
    for match in LINK.finditer(FENCE.sub("", text)):
        target = match[1] or match[2]
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        aimed = (path.parent / file).resolve() if file else path
        if not aimed.exists():
            yield f"{name}: link to {target}, which does not exist"
        elif anchor and aimed.suffix == ".md" and \
                anchor not in headings(aimed.read_text()):
            yield f"{name}: link to {target}: there is no such heading"


def dev_words(root):
    """The commands of ./dev, or None where there is no ./dev."""
    script = root / "dev"
    if not script.exists():
        return None
    match = re.search(r"^readonly commands=\(([^)]*)\)", script.read_text(),
                      re.MULTILINE)
    return set(match[1].split())


def complaints(root):
    commands = dev_words(root)
    for path in lintlib.our_files(root, ".md"):
        name, text = lintlib.relative(root, path), path.read_text()
        yield from link_complaints(root, path, text)
        for match in PATH.finditer(text):
            if not (root / match[1]).exists():
                yield f"{name}: `{match[1]}` does not exist"
        for match in DEV.finditer(text):
            if commands is not None and match[1] not in commands:
                yield f"{name}: ./dev has no command '{match[1]}'"
        if name == "README.md" and text.count("\n") > README_LINES:
            yield (f"{name}: {text.count(chr(10))} lines, at most "
                   f"{README_LINES}")


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))
