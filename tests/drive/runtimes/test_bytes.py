"""Bytes that are no SP pass as they are, and are counted as bytes."""
import pytest

from servers import serving
from waiting import wait_until

CLIENT = """
import os, socket, sys, threading
host, port = sys.argv[1].split("/")[2].split(":")
c = socket.create_connection((host, int(port)))
data = os.urandom(300000); got = b""
threading.Thread(target=c.sendall, args=(data,)).start()
while len(got) < len(data): got += c.recv(65536)
print("same" if got == data else "other", flush=True)
c.recv(1)
"""


def give_back(peer):
    while data := peer.recv(65536):
        peer.sendall(data)


@pytest.fixture
def echo():
    """The url of somebody who gives everything back."""
    with serving(give_back) as url:
        yield url


def test_bytes_pass_as_they_are(clowder, engine, traffic, echo):
    clowder(f"profile set b --runtime command --base {echo} -n 1 -- python3 -c", CLIENT, "{url}")
    clowder("up b")
    wait_until(lambda: engine.logged('text="same"'))
    wait_until(lambda: traffic("b")["bytes_up"] == 300000)
    seen = traffic("b")
    assert (seen["bytes_down"], seen["framed"], seen["results"]) == (300000, False, 0)
