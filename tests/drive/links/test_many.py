"""Twenty hosts at once, which all get the program and a daemon."""
import re

from told import ECHO

HOSTS = 20


def test_twenty_hosts_come_up_within_ten_seconds(driver):
    done = driver(HOSTS)(f"--hellos {HOSTS} --limit 60 --launch", ECHO, *(f"h{i}" for i in range(1, HOSTS + 1)))
    assert int(re.search(r"^t=(\d+) done", done.out, re.M)[1]) < 10000
