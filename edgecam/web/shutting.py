"""The end of a connection that another thread may be reading or writing."""
import socket


def shut(connection):
    """Shut a socket in both directions: who waits for it sees its end, and a write that hangs fails.

    An SSLSocket's own shutdown first takes its encryption away, and another thread's next write would be in the clear: it is
    the socket beneath that is shut.
    """
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:         # the other side was faster
        pass
