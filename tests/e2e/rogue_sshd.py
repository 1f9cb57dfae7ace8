#!/usr/bin/env python3
"""A host in bad hands: rogue_sshd.py FOLDER, an SSH server on a port of the loopback (FOLDER/port) whose host key is
FOLDER/hostkey. FOLDER/mode says what it does with the next who comes:

    asks      takes the first key that is signed with, ends the session, and from then on asks a question of its own
              (FOLDER/question); what it is answered it writes into FOLDER/learnt
    password  takes no key, and asks for a password; what it is answered it writes into FOLDER/learnt
    floods    lets everybody in, and asks for a global reply without end, without reading any
"""
import os
import socket
import sys
import threading
import time

import paramiko

folder = sys.argv[1]
signed = threading.Event()


def read(name):
    with open(os.path.join(folder, name)) as f:
        return f.read().strip()


def note(name, text):
    with open(os.path.join(folder, name), "a") as f:
        f.write(text + "\n")


class Server(paramiko.ServerInterface):
    def __init__(self, mode):
        self.mode = mode

    def get_allowed_auths(self, username):
        if self.mode == "password":
            return "password"
        return "keyboard-interactive" if self.mode == "asks" and signed.is_set() else "publickey"

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_FAILED if self.mode == "password" else paramiko.AUTH_SUCCESSFUL

    def check_auth_password(self, username, password):
        note("learnt", repr(password))
        return paramiko.AUTH_FAILED

    def check_auth_interactive(self, username, submethods):
        return paramiko.InteractiveQuery("", "", (read("question") + " ", False))

    def check_auth_interactive_response(self, responses):
        note("learnt", repr(responses))
        return paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        return True


def flood(transport):
    request = paramiko.Message()
    request.add_byte(paramiko.common.cMSG_GLOBAL_REQUEST)
    request.add_string("hostkeys-prove@example.com")
    request.add_boolean(True)
    transport.packetizer.read_all = lambda n, check_rekey=False: time.sleep(3600)  # it reads no more
    while transport.is_active():
        transport._send_message(request)
        note_sent()


sent = 0


def note_sent():
    global sent
    sent += 1
    if sent % 10000 == 0:
        note("sent", str(sent))


def serve(connection):
    mode = read("mode")
    transport = paramiko.Transport(connection)
    transport.add_server_key(paramiko.Ed25519Key(filename=os.path.join(folder, "hostkey")))
    try:
        transport.start_server(server=Server(mode))
        until = time.monotonic() + 30
        while not transport.is_authenticated() and transport.is_active() and time.monotonic() < until:
            time.sleep(0.01)
        if not transport.is_authenticated():
            return
        note("in", mode)
        if mode == "asks":
            signed.set()
            return
        flood(transport)
    except (OSError, EOFError, paramiko.SSHException):
        pass
    finally:
        transport.close()


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 0))
listener.listen(16)
note("port", str(listener.getsockname()[1]))
while True:
    c, _ = listener.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
