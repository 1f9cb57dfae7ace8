"""A worker that speaks the frames of clowder_worker.h by itself, well or in one of these ways:

old      does not greet, and knows no numbers
garbage  writes something else in the place of its answer to "bad"
skips    does not answer "bad", but what comes next
twice    answers "bad" twice
after    writes a byte after its answer to "bad"
"""
import struct
import sys
import time

mode = sys.argv[1]
tasks, answers = sys.stdin.buffer, sys.stdout.buffer


def answer(number, data, code=0):
    head = struct.pack("<II", len(data), code) if mode == "old" else struct.pack("<III", len(data), number, code)
    answers.write(head + data)
    answers.flush()


if mode != "old":
    answers.write(b"\xffCLWFR2\n")
    answers.flush()
while True:
    head = tasks.read(8)
    if len(head) < 8:
        break
    length, number = struct.unpack("<II", head)
    data = tasks.read(length)
    if data == b"bad" and mode == "garbage":
        answers.write(b"something else\n")
        answers.flush()
        time.sleep(100)
    if data == b"bad" and mode == "skips":
        continue
    answer(number, data, 1 if data == b"fail" else 0)
    if data == b"bad" and mode == "twice":
        answer(number, data)
    if data == b"bad" and mode == "after":
        answers.write(b"x")
        answers.flush()
