"""What daemons here print is kept, up to a size."""
from plain import mode
from waiting import wait_until

PRINTS = 'head -c 30000000 /dev/zero | tr "\\0" "x" | fold -w 100 >&2; echo the end >&2'


def test_what_daemons_print_is_kept_up_to_a_size_and_closed(clowder, engine):
    clowder("up --output -n 1")
    clowder("map -- sh -c", PRINTS, ":::", "1")

    def files():  # one that was full began anew
        return list(engine.state.glob("daemons.log*"))
    wait_until(lambda: any("x" in file.read_text() for file in files()))
    clowder("engine stop")
    assert sum(file.stat().st_size for file in files()) < 9000000
    assert mode(engine.state / "daemons.log") == 0o600
