"""TLS for the page: certificate and key from PEM files."""
import ssl

from edgecam.errors import ConfigError, reason


def adapter(certificate, key):
    """Return a cheroot adapter for PEM files. Raises `ConfigError` where they can't be used."""
    from cheroot.ssl.builtin import BuiltinSSLAdapter

    class Adapter(BuiltinSSLAdapter):
        """Shakes hands while the first request is collected, without waiting, so that a silent client keeps nobody."""

        def wrap(self, sock):
            wrapped = self.context.wrap_socket(sock, do_handshake_on_connect=False, server_side=True)
            return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}

    try:
        made = Adapter(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("web.certificate {} with key {}: {}".format(certificate, key, reason(error))) from error
    if hasattr(ssl, "TLSVersion"):
        made.context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:                                                   # Python 3.6
        made.context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    return made
