"""Files that include each other in a circle (a .c and its .h are one): none but those that are listed here, with the reason.

    circles.py SOURCE"""
import os
import re
import sys
from pathlib import Path

ALLOWED = [
    ({"hosts/ssh/bridge", "hosts/ssh/pump"}, "a pump moves bridges, and a bridge lives in a pump"),
    ({"tui/cli/command", "tui/cli/opt", "tui/cli/parallel"}, "a command is a row of options, and options are read for a command"),
]

os.chdir(sys.argv[1])
sys.setrecursionlimit(10000)
files = [p for layer in ("base", "store", "hosts", "engine", "tui") for p in Path(layer).rglob("*.[ch]")]
includes = {}
for path in files:
    own = includes.setdefault(str(path.with_suffix("")), set())
    for name in re.findall(r'#include "([^"]+)"', path.read_text()):
        if os.path.exists(name) and name[:-2] != str(path.with_suffix("")):
            own.add(name[:-2])

number, low, stack, circles = {}, {}, [], []


def visit(at):
    """Tarjan: what leads back to itself."""
    number[at] = low[at] = len(number)
    stack.append(at)
    for other in includes.get(at, ()):
        if other not in number:
            visit(other)
            low[at] = min(low[at], low[other])
        elif other in stack:
            low[at] = min(low[at], number[other])
    if low[at] == number[at]:
        circle = set()
        while at not in circle:
            circle.add(stack.pop())
        if len(circle) > 1:
            circles.append(circle)


for each in includes:
    if each not in number:
        visit(each)


def is_one_thing(circle):
    shortest = min(circle, key=len)
    return (all(each.startswith(shortest + "_") for each in circle - {shortest})  # x and x_private
            or any(circle == allowed for allowed, _ in ALLOWED))


for circle in (c for c in circles if not is_one_thing(c)):
    print("a circle:", *sorted(circle))
sys.exit(any(not is_one_thing(c) for c in circles))
