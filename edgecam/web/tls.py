"""TLS for the page: certificate and key from PEM files."""
import ssl

from edgecam.errors import ConfigError, reason

OTHERS = "KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"    # how OpenSSL calls a key of another certificate


def adapter(certificate, key):
    """Return a cheroot adapter for PEM files. Raises `ConfigError` where they can't be used."""
    from cheroot.ssl.builtin import BuiltinSSLAdapter

    class Adapter(BuiltinSSLAdapter):
        """Shakes hands while the first request is collected, without waiting, so that a silent client keeps nobody."""

        def wrap(self, sock):
            wrapped = self.context.wrap_socket(sock, do_handshake_on_connect=False, server_side=True)
            return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}

    check_pair(certificate, key)
    made = Adapter(certificate, key)
    if hasattr(ssl, "TLSVersion"):
        made.context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:                                                   # Python 3.6
        made.context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    return made


def check_pair(certificate, key):
    """Raise `ConfigError` for files that can't be loaded: OpenSSL would ask for a passphrase where there is a terminal, and names nothing else."""
    pair = "web.certificate {} with key {}: ".format(certificate, key)

    def refuse():
        raise ConfigError(pair + "the key is encrypted, and nobody is asked for its passphrase; name one that is not (openssl pkey -in {})".format(key))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, refuse)
    except ssl.SSLError as error:
        raise ConfigError(pair + ("the key belongs to another certificate" if error.reason in OTHERS else
                                  "expected PEM files, the certificate first, its key second")) from error
    except OSError as error:
        raise ConfigError(pair + reason(error)) from error
