"""A server on the loopback for as long as a test wants it."""
import socket
import threading
from contextlib import contextmanager


@contextmanager
def serving(welcome):
    """Its url. welcome(connection) is called with everybody who comes, in a thread of their own."""
    server = socket.create_server(("127.0.0.1", 0), backlog=50)

    def serve():
        try:
            while True:
                threading.Thread(target=welcome, args=server.accept()[:1], daemon=True).start()
        except OSError:
            pass  # it is over
    threading.Thread(target=serve, daemon=True).start()
    yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
