"""Real OpenSSH servers as hosts (tests/hosts/lab.sh). The last one may be reached through a relay that can be made slow."""
import json
import os
import shlex
import shutil
import subprocess

import procs
from house import HERE, Failed

RELAY_PORT = 2222


def can_be_had():
    return os.geteuid() == 0 and (shutil.which("sshd") or os.path.exists("/usr/sbin/sshd"))


class Hosts:
    """Of a house (or whatever else has work, env and desktop). lines go into every sshd_config; before is said to the lab's shell
    before there are hosts."""

    def __init__(self, house, count=2, lines="", before="", relayed=True):
        self.house, self.count = house, count
        self.lab = f"{house.work}/lab"
        env = house.env | {"LAB": self.lab, "PREFIX": f"clwf{os.getpid()}", "NET": "10.96"}
        env.pop("LD_PRELOAD", None)
        self.bash = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=open(f"{house.work}/lab.err", "wb"), text=True, env=env, cwd=house.work)
        self.shell(f". {os.path.join(HERE, '..', 'hosts', 'lab.sh')}")
        for words in filter(None, (before, f"lab_up {count} {shlex.quote(lines)}")):
            self.shell(words)
        self.namespaces = self.shell("echo $lab_mode").strip() == "namespaces"
        house.desktop = self.shell("echo $desktop").split()
        house.env["CLOWDER_SSH_CONFIG"] = self.lab + "/config"
        self.relay_process = None
        if relayed:
            self._start_relay()

    def shell(self, text):
        """Runs it in the lab's shell; its output, or Failed."""
        self.bash.stdin.write(f"{text} </dev/null\necho; echo \"== $?\"\n")
        self.bash.stdin.flush()
        lines = []
        while True:
            line = self.bash.stdout.readline()
            if not line:
                raise Failed(f"the lab of hosts ended at: {text}")
            if line.startswith("== "):
                break
            lines.append(line)
        if line.split()[1] != "0":
            raise Failed(f"the lab of hosts: {text}: {''.join(lines).strip()} {open(f'{self.house.work}/lab.err').read()[-500:]}")
        return "".join(lines)

    # ---- the relay before the last host ----

    def _start_relay(self):
        i, port = self.count, RELAY_PORT if self.namespaces else 30000 + os.getpid() % 20000
        address, ssh_port = self.shell(f"lab_address {i}").strip(), self.shell(f"lab_port {i}").strip()
        self.control = f"{self.house.work}/relay.json"
        self.relay()
        env = {k: v for k, v in self.house.env.items() if k != "LD_PRELOAD"}
        self.relay_process = subprocess.Popen(
            [*self.house.desktop, "/usr/bin/env", "python3", os.path.join(HERE, "relay.py"), str(port), address, ssh_port,
             self.control], stdout=subprocess.PIPE, text=True, env=env)
        if self.relay_process.stdout.readline() != "ready\n":
            raise Failed("the relay did not start")
        config = open(self.lab + "/config").read()
        config = config.replace(f"Host h{i}\n  HostName {address}\n  Port {ssh_port}",
                                f"Host h{i}\n  HostName 127.0.0.1\n  Port {port}")
        open(self.lab + "/config", "w").write(config)
        key = open(f"{self.lab}/h{i}/hostkey.pub").read().split()
        with open(self.lab + "/known_hosts", "a") as f:
            f.write(f"[127.0.0.1]:{port} {key[0]} {key[1]}\n")

    def relay(self, delay_ms=0, kib_per_s=0, reset=False):
        with open(self.control + ".new", "w") as f:
            json.dump({"delay_ms": delay_ms, "kib_per_s": kib_per_s, "reset": reset}, f)
        os.rename(self.control + ".new", self.control)

    # ---- who runs there ----

    def pick(self, roll):
        return 1 + roll.below(self.count)

    def listener(self, i):
        try:
            return int(open(f"{self.lab}/h{i}/sshd.pid").read())
        except (OSError, ValueError):
            return 0

    def sessions(self, i):
        return [p["pid"] for p in procs.children(self.listener(i))] if self.listener(i) else []

    def _programs(self, i):
        return [p["pid"] for p in procs.table().values()
                if f"{self.lab}/h{i}/home/.cache/clowder/" in self._exe(p["pid"])]

    @staticmethod
    def _exe(pid):
        try:
            return os.readlink(f"/proc/{pid}/exe")
        except OSError:
            return ""

    def supervisors(self, i):
        return [pid for pid in self._programs(i) if " --" in procs.command(pid)]

    def daemons(self, i):
        return sorted(pid for pid in self._programs(i) if " --" not in procs.command(pid))

    def programs(self):
        return [pid for i in range(1, self.count + 1) for pid in self._programs(i)]

    def close(self):
        if self.relay_process and self.relay_process.poll() is None:
            self.relay_process.kill()
        try:
            self.bash.stdin.write("lab_down\nexit\n")
            self.bash.stdin.flush()
            self.bash.wait(20 + 5 * self.count)
        except (OSError, subprocess.TimeoutExpired):
            self.bash.kill()
