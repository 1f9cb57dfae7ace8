"""A daemon that says things without end, or does not read what it asked for, fills neither the engine's memory nor its log."""
from waiting import wait_until


def test_one_that_reads_no_answer_does_not_fill_the_memory(clowder, rogue, memory_mib):
    rogue.shall("ping")
    clowder("engine start")
    before = memory_mib()
    clowder("up one -n 1 --no-respawn", status=None)
    wait_until(lambda: rogue.noted("sent all"))
    assert memory_mib() - before < 64


def few_events(clowder):
    return len(clowder("log -n 10000").lines) < 1000


def test_one_that_leaves_without_end_is_dropped_and_not_all_is_logged(clowder, engine, rogue):
    rogue.shall("leave")
    clowder("up two -n 1 --no-respawn", status=None)
    wait_until(lambda: rogue.noted("shut out"))
    wait_until(lambda: engine.logged('dropped peer=daemon daemon=two-1 why="it tells of its state without end"'))
    assert engine.logged("leaves daemon=two-1") <= 64 and few_events(clowder)


def test_one_that_finds_fault_without_end_is_shut_out_and_not_all_is_logged(clowder, engine, rogue):
    rogue.shall("faults")
    clowder("up three -n 1 --no-respawn", status=None)
    clowder("map -p three -- true ::: 1", status=None)
    wait_until(lambda: rogue.noted("shut out"))
    assert engine.logged("fault daemon=three-1") <= 64 and few_events(clowder)
