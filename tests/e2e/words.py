"""Every command that a hint, a help text, the manual or a document names is one: it is given to the real parser, as it stands there, with
--help behind its verb. And every option that a message names without its command is an option of some command.
No message has a word that readers had to decode.

    words.py SOURCE       reads the tracked files below SOURCE; clowder is on PATH
"""

import os
import re
import shlex
import subprocess
import sys

source = sys.argv[1]
NOUNS = {"host", "profile", "job"}
WITH_COMMAND = {"map", "submit", "run", "everywhere", "launch", "with"}  # whose options end at the first word
# Of the programs that we start, and of our own daemon.
FOREIGN = {"--resources", "--host", "--mux", "--spawn", "--query-gpu", "--format", "--showmeminfo", "--json", "--value"}
# Words of ours, or in a sense of ours, that readers of English as a second language stumbled over.
ODD = re.compile(
    r"\b(anew|[Ss]omebody|meanwhile|of before|lets? us in|mean it|waits? for a yes)\b|\b(comes?|dials?|looks? for) home\b"
    r"|\b(lines|row|column|pane|one) before\b|(?<!there )\bis no (?!longer|good)[a-z]"
)
SCRIPTS = re.compile(r"(hosts/probe_script|hosts/scheduler|engine/profiles/foreign_script)\.c$")  # of other programs
# A document about another thing than our commands, or commands of a time that is over.
SKIPPED = re.compile(r"^(tests/|CHANGELOG|docs/performance|run$|\.ci/|tui/cli/parallel\.c)")


def literals(text):
    """The string literals of C source, with neighbours joined."""
    parts = re.findall(r'"((?:[^"\\\n]|\\.)*)"(\s*(?=")|)', text)
    joined, now = [], ""
    for body, goes_on in parts:
        now += body
        if not goes_on:
            joined.append(now)
            now = ""
    return [t.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\") for t in joined]


def texts_of(path, text):
    if path.endswith(".c"):
        return literals(text)
    if path.endswith(".1"):
        text = re.sub(r"\\f[BIR]", "", text.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\"))
        return [re.sub(r"^\.(B|BR|BI|RB|IR|SS|nf|fi|TP|PP|SH)\b ?", "", line).replace('"', "") for line in text.split("\n")]
    return text.split("\n")


def commands(text):
    """Each command in a text, as far as it goes: up to a pipe, the end of a quotation, or of what is said."""
    for found in re.finditer(r"(?<![\w/.-])clowder ((?!-)[a-z][^\n]*)", text):
        rest = found.group(1)
        before = text[found.start() - 1] if found.start() else ""
        if before and before in "'`\"":
            rest = rest.split(before)[0]
        rest = re.split(r"[|;)>`&]| #|  +|, (?:or|and|then)|: | or |, | \(|\.$|\. ", rest)[0]
        is_meant = bool(re.search(r"['`\"]$|[:;] $|\brun $", text[: found.start()]))  # and not prose about Clowder
        yield is_meant, rest.rstrip(" .,:?")


def names(help_text):
    return set(re.findall(r"--[a-z][a-z-]+", help_text))


def clowder(*argv):
    return subprocess.run(["clowder", *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


verbs = set(re.findall(r"^  ([a-z]+) ", clowder("--help").stdout, re.M))
wrong, seen, options = [], set(), set()
for verb in verbs:
    options |= names(clowder("help", verb).stdout)
for noun in NOUNS:
    for verb in re.search(r": ([a-z ]+)$", re.search(rf"^  {noun} .*$", clowder("--help").stdout, re.M).group(0)).group(1).split():
        options |= names(clowder("help", noun, verb).stdout)
options |= {"--help", "--json", "--version", "--screen", "--frames"}


def check(path, is_meant, command):
    command = re.sub(r"(?<=\w)(?:%s)+", "", command)
    command = re.sub(r"%[-.*0-9]*[a-z]+|<[^>]*>|\.\.\.", "x", command)
    try:
        words = shlex.split(command)
    except ValueError:  # the text cuts it short
        words = command.replace("'", "").replace('"', "").split()
    words = [w for w in words if w not in ("[OPTION]...", "[OPTION]x")]
    if not words or not re.fullmatch(r"[a-z]+", words[0]) or (words[0] not in verbs and not is_meant):
        return
    head = words[:2] if words[0] in NOUNS and len(words) > 1 else words[:1]
    if words[0] in NOUNS and (len(words) == 1 or not re.fullmatch(r"[a-z]+", words[1])):
        return
    argv = head + ["--help"] + [w for w in words[len(head):] if w != "--help"]
    if tuple(argv) in seen:
        return
    seen.add(tuple(argv))
    got = clowder(*argv)
    if got.returncode != 0:
        wrong.append(f"{path}: 'clowder {command}': {got.stderr.strip()}")


def check_options(path, text):
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text):
        if option not in options and option not in FOREIGN:
            wrong.append(f"{path}: '{text.strip()[:100]}': no command of ours has {option}")


files = subprocess.run(["git", "-C", source, "ls-files"], capture_output=True, text=True, check=False).stdout.split()
if not files:
    files = [os.path.relpath(os.path.join(d, f), source) for d, _, fs in os.walk(source) for f in fs]
for path in files:
    if SKIPPED.match(path) or not path.endswith((".c", ".md", ".1", ".py", ".R", ".h")):
        continue
    with open(os.path.join(source, path), encoding="utf-8", errors="replace") as f:
        for text in texts_of(path, f.read()):
            for is_meant, command in commands(text):
                check(path, is_meant, command)
            if path.endswith(".c") and not SCRIPTS.match(path):
                check_options(path, text)
                if ODD.search(text):
                    wrong.append(f"{path}: '{text.strip()[:100]}': '{ODD.search(text).group(0)}' has to be decoded")
if len(seen) < 100:
    wrong.append(f"only {len(seen)} commands were found")
print("\n".join(sorted(set(wrong))) or f"{len(seen)} commands named, all of them known")
sys.exit(bool(wrong))
