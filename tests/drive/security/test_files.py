"""Another user of the desktop finds no file, folder or socket that is open, whatever the umask was."""
from plain import mode


def folders(engine):
    return [engine.sockets, engine.data, engine.state]


def open_to_others(engine):
    files = [file for folder in folders(engine) for file in folder.iterdir()]
    return [path for path in folders(engine) if mode(path) != 0o700] + [path for path in files if mode(path) != 0o600]


def test_all_is_closed_whatever_the_umask_was(clowder, engine):
    clowder("up -n 1", umask=0)
    clowder("map -- true ::: x")
    assert not open_to_others(engine)


def test_what_was_left_open_is_closed(clowder, engine):
    clowder("up -n 1")
    clowder("engine stop")
    for folder in folders(engine):
        folder.chmod(0o755)
    for file in [*engine.data.iterdir(), *engine.state.iterdir()]:
        file.chmod(0o666)
    clowder(f"job wait {clowder.submit('-n 1 -- true ::: x')}")
    assert not open_to_others(engine)
