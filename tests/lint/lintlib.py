"""What the checks of this folder share: which files are ours, how they read.

Every check is a script with `complaints(root)` that yields one line per
finding, and is run as `check_x.py ROOT`; it prints them and fails when there
are any.
"""
import pathlib
import re
import subprocess
import sys

CPP = (".h", ".cc")


def our_files(root: pathlib.Path, *suffixes: str):
    """Files of the repository with these suffixes, built ones left out.

    From git where there is a repository, else (an export, a test's folder)
    from the file system.
    """
    if (root / ".git").exists():
        listed = subprocess.run(
            ["git", "-C", str(root), "-c", "safe.directory=*", "ls-files",
             "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True, text=True).stdout.splitlines()
        paths = [root / name for name in listed]
    else:
        paths = [path for path in root.rglob("*")
                 if path.relative_to(root).parts[0]
                 not in ("build", ".deps", ".cache")]
    return sorted(path for path in set(paths)
                  if path.is_file() and (not suffixes
                                         or path.name.endswith(suffixes)))


def relative(root: pathlib.Path, path: pathlib.Path) -> str:
    return path.relative_to(root).as_posix()


def without_comments(text: str) -> str:
    """C++ without comments and with empty string literals, lines kept."""
    pattern = re.compile(
        r'R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"'
        r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\''
        r'|//[^\n]*|/\*.*?\*/', re.DOTALL)

    def blank(match):
        newlines = "\n" * match[0].count("\n")
        return newlines if match[0].startswith("/") else '""' + newlines

    # Digit separators (1'000) would look like character literals.
    text = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F]{3})", "", text)
    return pattern.sub(blank, text)


def main(complaints) -> int:
    if len(sys.argv) != 2:
        print(f"usage: {sys.argv[0]} ROOT", file=sys.stderr)
        return 2
    root = pathlib.Path(sys.argv[1]).resolve()
    found = list(complaints(root))
    for text in found:
        print(text)
    return 1 if found else 0
