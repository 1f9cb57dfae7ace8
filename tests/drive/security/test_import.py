"""A file to import that means harm is refused whole."""
import pytest

HARM = [
    '"hosts":{"../../etc":{"address":"a"}}',
    '"hosts":{"x":{"address":"-oProxyCommand=touch pwned"}}',
    '"hosts":{"x":{"address":"a","user":"-l"}}',
    '"hosts":{"x":{"address":"a","jump":"-oProxyCommand=x"}}',
    r'"hosts":{"x":{"address":"a\u001b[2J"}}',
    '"profiles":{"x":{"env":["LD_PRELOAD"]}}',
    '"profiles":{"x":{"hours":"$(touch pwned)"}}',
    '"profiles":{"x":{"nice":-20}}',
    '"profiles":{"x":{"maxtasks":1e400}}',
    '"profiles":{"x":{"runtime":"dask","base_url":"tcp://127.0.0.1:5555/$(touch pwned)"}}',
    '"hosts":{"ok":{"address":"a"}},"what":1']


@pytest.fixture
def unchanged(clowder, work):
    """What is there before is there afterwards, and nothing ran."""
    clowder("host add good 10.0.0.1")
    before = clowder("export").out
    yield
    assert clowder("export").out == before
    assert not (work / "pwned").exists()


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("text", ['{"clowder":1,%s}' % harm for harm in HARM] + ['{"clowder":1,"hosts":' * 100000],
                         ids=[*map(str, range(len(HARM))), "deep"])
def test_harm_is_refused(clowder, work, text):
    (work / "bad.json").write_text(text)
    clowder("import bad.json", status=2).says_one_line()


@pytest.mark.usefixtures("unchanged")
def test_80_mb_of_nothing_are_refused(clowder, work):
    with open(work / "bad.json", "wb") as f:
        f.truncate(80000000)
    assert clowder("import bad.json", status=None).status != 0
