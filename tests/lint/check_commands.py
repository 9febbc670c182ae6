#!/usr/bin/env python3
"""Fails when a document, or a file of deploy/, shows a command that the programs do
not have.

resnetctl's commands and options are those of its help, which a test holds against
the program; resnetd's are those of server/app. Looked at are code blocks and code in
lines of the documents, the arguments of Jobs, and those of docker-compose.yml. Flags
that stand alone, and environment variables, are those of some program of ours; and
every command of resnetctl is in its document.
"""
import os
import re
import shlex
import sys

import yaml

import deploylib
import lintlib

HELP = "tests/golden/cli/help.txt"
PAGE = "docs/resnetctl.md"
# Not what was true of former versions.
LEFT_OUT = {"CHANGELOG.md"}
# Beside those of deploylib.flags(): what makes no server.
SERVER_OWN = {"config", "help", "version"}
OWN = re.compile(r'add_(?:flag|option)(?:_function<[^>]*>)?\(\s*"--([a-z-]+)')
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Blocks of commands.
SHELL = {"", "sh", "console", "bash"}
SPAN = re.compile(r"`((?:resnetctl|resnetd) [^`]+)`")
OPTION = re.compile(r"^ {2,6}(?:(-\w), )?(--[\w-]+)( [A-Z]\S*)?(?: |$)")
# A flag without its program, and a variable.
FLAG = re.compile(r"`(--[a-z][\w-]*)")
VARIABLE = re.compile(r"\bRESNETD_[A-Z0-9_]*[A-Z0-9]\b")
# Whose flags a document names, too: ./dev, benches and tools; and Docker's.
TOOLS = ("dev", "tools/", "tests/bench/", "tests/oracle/", "deploy/docker/")
FOREIGN = {"--build-arg"}
# What ends a command within a line.
ENDS = {"|", "||", "&&", "&", ";", ">", ">>", "<", "<(", ")", "(", "2>"}


def client_commands(text):
    """("models", "list") -> {option: whether it takes a value}, of the golden help."""
    commands = {}
    for part in re.split(r"^\$ resnetctl", text, flags=re.MULTILINE)[1:]:
        words, _, body = part.partition("\n")
        options = {}
        for line in body.splitlines():
            if match := OPTION.match(line):
                options |= {name: bool(match[3]) for name in match.groups()[:2] if name}
        commands[tuple(words.split()[:-1])] = options
    return commands


def server_flags(root):
    return deploylib.flags(root) | SERVER_OWN | {
        name for path in sorted((root / "server" / "app").glob("*.cc"))
        for name in OWN.findall(path.read_text())}


def words_of(line):
    """The commands of a line, each as its words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    command = []
    for word in lexer:
        if word in ENDS or set(word) <= set("|&;()<>"):
            yield command
            command = []
        else:
            command.append(word)
    yield command


def programs(words):
    """(program, its words) of a command that runs one of ours, also through another
    one: docker compose exec SERVICE, kubectl exec POD --."""
    start = 0
    while start < len(words) and (re.match(r"^[A-Z_]+=", words[start])
                                  or words[start] == "sudo"):
        start += 1
    if words[start:start + 3] == ["docker", "compose", "exec"]:
        start += 4
    elif "--" in words and words[start:start + 1] == ["kubectl"]:
        start = words.index("--") + 1
    if start < len(words):
        yield os.path.basename(words[start]), words[start + 1:]


def server_complaints(words, flags):
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--") and name[2:] not in flags:
            yield f"resnetd has no {name}"


def client_complaints(words, commands):
    path, takes_value, arguments = (), False, []
    for word in words:
        name, equals, _ = word.partition("=")
        if takes_value:
            takes_value = False
        elif word.startswith("-") and len(word) > 1 and not word[1].isdigit():
            known = commands[path]
            if name not in known:
                yield f"resnetctl {' '.join(path)}: there is no {name}"
                return
            takes_value = known[name] and not equals
        elif path + (word,) in commands:
            path += (word,)
        else:
            arguments.append(word)
            # A group of commands takes none; placeholders stand for any.
            if any(one[:-1] == path for one in commands) and re.match(r"^[a-z-]+$", word):
                yield f"resnetctl {' '.join(path)}: there is no command '{word}'"
                return


def line_complaints(line, commands, flags):
    try:
        found = list(words_of(line))
    except ValueError:
        # A quotation that goes on in the next line: of no command of ours.
        return
    for words in found:
        for program, rest in programs(words):
            if program == "resnetctl":
                yield from client_complaints(rest, commands)
            elif program == "resnetd":
                yield from server_complaints(rest, flags)


def document_lines(text):
    for language, block in FENCE.findall(text):
        if language in SHELL:
            yield from re.sub(r"\\\n", " ", block).splitlines()
    for span in SPAN.findall(FENCE.sub("", text)):
        # Not a family of commands: resnetctl train pause|resume.
        if "|" not in span:
            yield span


def argument_complaints(root, commands):
    """Of the client where a manifest runs it; the server's are check_deploy.py's."""
    for path in lintlib.our_files(root, ".yaml", ".yml"):
        name = lintlib.relative(root, path)
        if not name.startswith("deploy/k8s/") and name != "docker-compose.yml":
            continue
        for thing in yaml.safe_load_all(path.read_text()):
            for words in called(thing):
                for text in client_complaints(words, commands):
                    yield f"{name}: {text}"


def called(thing):
    """The arguments of every resnetctl in an object."""
    if isinstance(thing, list):
        for one in thing:
            yield from called(one)
    if not isinstance(thing, dict):
        return
    if thing.get("command") == ["resnetctl"]:
        yield thing.get("args", [])
    if thing.get("entrypoint") == ["resnetctl"]:
        yield thing.get("command", [])
    if (test := (thing.get("healthcheck") or {}).get("test", []))[1:2] == ["resnetctl"]:
        yield test[2:]
    for one in thing.values():
        yield from called(one)


def words_of_files(root, pattern, starts):
    """What of our files that begin so, but for documents, is like `pattern`."""
    found = set()
    for path in lintlib.our_files(root):
        if lintlib.relative(root, path).startswith(starts) and path.suffix != ".md":
            found.update(pattern.findall(path.read_text(errors="ignore")))
    return found


def lone_complaints(root, commands, flags):
    """Flags and variables of documents that no program has."""
    known = {f"--{name}" for name in flags} | FOREIGN
    known |= {option for options in commands.values() for option in options}
    known |= words_of_files(root, re.compile(r"--[a-z][\w-]*"), TOOLS)
    variables = {f"RESNETD_{name.upper().replace('-', '_')}" for name in flags}
    variables |= words_of_files(root, VARIABLE, "")
    for document in lintlib.our_files(root, ".md"):
        name, text = lintlib.relative(root, document), document.read_text()
        if name in LEFT_OUT:
            continue
        for flag in sorted(set(FLAG.findall(FENCE.sub("", text))) - known):
            yield f"{name}: nothing of ours has the flag {flag}"
        for variable in sorted(set(VARIABLE.findall(text)) - variables):
            yield f"{name}: nothing of ours reads {variable}"


def rows_of(page):
    """Commands that the first column of a table names, and what they begin with:
    `train run|pause JOB` is two."""
    found = set()
    for cell in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE):
        for span in re.findall(r"`([^`]+)`", cell.replace("\\|", "|")):
            paths = [()]
            for word in span.split():
                if not re.fullmatch(r"[a-z][a-z|-]*", word):
                    break
                paths = [path + (part,) for path in paths for part in word.split("|")]
                found.update(paths)
    return found


def page_complaints(root, commands):
    if not (root / PAGE).exists():
        return
    described = rows_of((root / PAGE).read_text())
    for path in sorted(commands.keys() - described - {()}):
        yield f"{PAGE}: says nothing of resnetctl {' '.join(path)}"


def complaints(root):
    path = root / HELP
    if not path.exists():
        return
    commands, flags = client_commands(path.read_text()), server_flags(root)
    for document in lintlib.our_files(root, ".md"):
        name = lintlib.relative(root, document)
        if name in LEFT_OUT:
            continue
        for line in document_lines(document.read_text()):
            for text in line_complaints(line, commands, flags):
                yield f"{name}: {text}: {' '.join(line.split())}"
    yield from argument_complaints(root, commands)
    yield from lone_complaints(root, commands, flags)
    yield from page_complaints(root, commands)


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))
