"""Another process keeps the store locked."""
import store
from waiting import numbers, same, wait_until


def test_tasks_run_and_commands_are_answered(clowder, engine):
    clowder("up -n 2")
    with store.locked(engine.store):
        assert clowder("run -- echo here").out == "here\n"
        same(clowder("map -w -- cat", stdin=numbers(200000)).out, numbers(200000))
        assert clowder.state() == "up"


def test_profiles_come_and_go_and_the_store_hears_of_it_afterwards(clowder, engine, wanted):
    clowder("up old -n 1")
    with store.locked(engine.store):
        clowder("up new -n 1")
        clowder("down old")
        assert clowder.profile("new")["daemons"]["connected"] == 1
        assert wanted("old") and not wanted("new"), "the store was not locked"
    wait_until(lambda: wanted("new") and not wanted("old"))
    engine.kill()
    assert clowder("run -p new -- echo again").out == "again\n"  # the next engine has it from the store


def test_an_engine_that_is_stopped_meanwhile_writes_what_it_was_told_last(clowder, engine, wanted):
    clowder("up -n 1")
    with store.locked(engine.store):
        clowder("up late -n 1")
        stopping = clowder.start("engine stop")
        wait_until(lambda: engine.logged("engine stopping"))
        assert not stopping.is_over()
    stopping.wait()
    assert wanted("late") is False
