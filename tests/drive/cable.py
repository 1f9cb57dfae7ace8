"""The cable between h1 of a lab and the switch."""
from waiting import needs_namespaces


class Cable:
    def __init__(self, lab):
        needs_namespaces(lab)
        self.shell = lab.shell

    def cut(self):
        self.shell("ip -n $PREFIX-sw link set p-h1 down")

    def mend(self):
        self.shell("ip -n $PREFIX-sw link set p-h1 up")
