"""ssh configurations from a seed, and what ssh makes of them."""
import os
import pwd
import random
import re
import subprocess

HOSTS = {"alpha": {}, "beta": {"user": "typed", "port": 2200}, "gamma.lab": {"identity": "/keys/my \"own\" key"},
         "delta": {"address": "10.0.0.9", "jump": "typed@bastion:2022"}}
ME = pwd.getpwuid(os.getuid()).pw_name
CIPHERS = ["aes256-ctr", "aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"]
KEX = ["curve25519-sha256", "sntrup761x25519-sha512@openssh.com", "diffie-hellman-group14-sha1"]
MACS = ["hmac-sha2-256", "umac-64-etm@openssh.com", "hmac-sha1"]
KEYS = ["ssh-ed25519", "ssh-rsa", "rsa-sha2-512", "ecdsa-sha2-nistp256"]


class Maker:
    """Of one configuration in a folder."""

    def __init__(self, seed, folder):
        self.roll, self.folder = random.Random(seed), folder
        self.path = folder / "ssh config"

    def lists(self, words):
        some = ",".join(self.roll.sample(words, self.roll.randint(1, len(words))))
        return self.roll.choice(["", "+", "-", "^"]) + some

    def option(self):
        one = self.roll.choice
        quote = one(["{}", '"{}"', "'{}'"])
        name, value = one([
            ("HostName", one(["%h.example", "10.1.2.3", "Real.Example", "fe80::1%eth0"])), ("User", one(["ann", '"bob"', "x@corp"])),
            ("Port", str(self.roll.randint(1, 65535))), ("ProxyJump", one(["gate", "me@gate:7,[::1]:22", "none"])),
            ("ProxyCommand", one(["nc -X 5 'a b' %h %p %r %n 100%%", "none", "exec false"])),
            ("IdentityFile", one(["~/k %h", "/k/%r-%u-%i", "%d/.ssh/${CLW_SEED_KEY}", "~root/k%%", "/k/%L/%l/%k/%C", "none"])),
            ("CertificateFile", one(["~/c-%p", "/c d/%n"])), ("IdentityAgent", one(["SSH_AUTH_SOCK", "none", "$CLW_SEED_KEY", "/a/b"])),
            ("HostKeyAlias", one(["other", "%alias"])), ("Ciphers", self.lists(CIPHERS)), ("KexAlgorithms", self.lists(KEX)),
            ("MACs", self.lists(MACS)), ("HostKeyAlgorithms", self.lists(KEYS)), ("PubkeyAcceptedAlgorithms", self.lists(KEYS)),
            ("ConnectTimeout", one(["5", "1m", "none"])), ("ServerAliveInterval", one(["0", "7", "2m"])), ("ServerAliveCountMax", "9"),
            ("AddressFamily", one(["any", "inet", "inet6"])), ("BindAddress", "127.0.0.1"), ("HashKnownHosts", one(["yes", "no"])),
            ("IdentitiesOnly", one(["yes", "no"])), ("StrictHostKeyChecking", one(["yes", "no", "off", "ask", "accept-new"])),
            ("GlobalKnownHostsFile", one(["none", "/dev/null", "/g"])), ("Compression", one(["yes", "no"])),
            ("UserKnownHostsFile", one(["none", "/dev/null", "~/known /two/%n", '"/a b/known" /two']))])
        if name not in ("ProxyCommand", "UserKnownHostsFile") and '"' not in value:
            value = quote.format(value)
        return f"{one([name, name.lower(), name.upper()])}{one([' ', ' = ', '=', '  '])}{value}"

    def condition(self):
        one = self.roll.choice
        no = one(["", "!"])
        return one([
            "Host " + one(["alpha", "*", "a* beta", "!beta *", "gamma.lab", "10.0.0.?", '"delta" alpha']),
            f"Match {no}host {one(['*.example', 'alpha', 'real.example,10.*', '*'])}",
            f"Match {no}originalhost {one(['alpha', '*a', '10.*'])}",
            f"Match {no}user {one(['ann', 'typed,bob', ME])}", f"Match {no}localuser {ME}", f'Match {no}exec "test %n = alpha"',
            f"Match exec 'exit {self.roll.randint(0, 1)}' host *", f"Match final {no}host *.example", "Match final all", "Match all",
            f'Match originalhost alpha,beta {no}exec "test %r = ann -a %p -lt 9999"'])

    def block(self, lines):
        return "\n ".join([self.condition(), *(self.option() for _ in range(lines))])

    def make(self):
        texts = [self.option() for _ in range(2)] + [self.block(self.roll.randint(1, 5)) for _ in range(self.roll.randint(1, 6))]
        if self.roll.random() < 0.5:
            (self.folder / "more of it").write_text(self.block(3) + "\n")
            texts.insert(self.roll.randrange(len(texts)), f'Include "{self.folder}/more of *"')
        if self.roll.random() < 0.1:
            texts.append(self.roll.choice(["NoSuchKeyword yes", "Port many", "User \"open", "Include"]))
        self.path.write_text("# made from a seed\n" + "\n\n".join(texts) + "\n")
        return self.path


class Said:
    """By ssh of one host: what stands in the inventory is typed."""

    def __init__(self, config, name, typed, env):
        self.alias = typed.get("address", name)
        words = ["-F", config, "-T"]
        for option, key in (("-l", "user"), ("-p", "port")):
            words += [option, str(typed[key])] if key in typed else []
        if "identity" in typed:
            quoted = typed["identity"].replace('"', '\\"')
            words += ["-o", f'IdentityFile="{quoted}"']
        self.words, self.env = words, env
        done = self.run("-G", *(["-J", typed["jump"]] if "jump" in typed else []))
        self.refused, self.lines = done.returncode != 0, [line.split(" ", 1) for line in done.stdout.splitlines()]
        self.why = done.stderr.splitlines()

    def run(self, *options):
        return subprocess.run(["ssh", *options, *self.words, "--", self.alias], env=self.env, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)

    def one(self, key, default=""):
        return next((value for name, value in self.lines if name == key), default)

    def number(self, key):
        return int(self.one(key)) if self.one(key, "none") != "none" else 0

    def list(self, key):
        return self.one(key).split(",")

    def files(self, key):
        """In one text, as ssh prints them without quotes."""
        return "" if self.one(key) == "none" else self.one(key)

    def command(self):
        names = {"h": self.one("hostname"), "n": self.alias, "p": self.one("port"), "r": self.one("user"), "%": "%"}
        return re.sub("%(.)", lambda m: names[m[1]], self.one("proxycommand"))

    def keys(self):
        """Files of identities, and of certificates, as ssh opens them: all tokens are expanded by ssh itself."""
        said = self.run("-v", "-o", "ProxyCommand=false").stderr
        found = re.findall(r"^debug1: (identity|certificate) file (.*) type -?\d+$", said, re.M)
        return [[path for kind, path in found if kind == wanted and not path.endswith("-cert")] for wanted in ("identity", "certificate")]
