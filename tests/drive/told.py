"""What the driver of links (../hosts/drive.c) is told to launch, and what its lines say."""
import re

from programs import TESTS_BIN

PROGRAM = TESTS_BIN / "hosts_fake_daemon"  # the daemon that is uploaded
ECHO = r"url=@URL@\nmode=echo\nid=one"


def echo(name, tries=None):
    return rf"url=@URL@\nmode=echo\nid={name}" + (rf"\ntries={tries}" if tries else "")


def blast(size):
    return rf"url=@URL@\nmode=blast\nbytes={size}\nid=x"


def last_state(done):
    """Of the link, as it is told last."""
    return re.findall(r"^t=.* state=([a-z-]+)", done.out, re.M)[-1]


def closing_ms(done):
    return int(re.search(r"closed ms=(\d+)", done.out)[1])
