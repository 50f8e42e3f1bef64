"""How an RTSP client shows that it knows the password: Basic and Digest (RFC 7617, RFC 2069, RFC 7616)."""
import base64
import hashlib
import os
import re

FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def strength(challenge):
    """Rank a WWW-Authenticate value: 0 unknown, 1 Basic, 2 Digest with MD5, 3 Digest with SHA-256."""
    scheme = challenge.partition(" ")[0].lower()
    if scheme == "digest":
        return {"MD5": 2, "SHA-256": 3}.get(challenge_fields(challenge).get("algorithm", "MD5").upper(), 0)
    return 1 if scheme == "basic" else 0


def as_bytes(text):
    """Return *text* in UTF-8, and as they were typed the letters that the locale lacked, which Python keeps as halves of pairs."""
    return text.encode("utf-8", "surrogateescape")


def challenge_fields(challenge):
    return {name.lower(): quoted or bare for name, quoted, bare in FIELD.findall(challenge)}


def authorization(challenge, server, method, url, count=1):
    """Return the Authorization value for a WWW-Authenticate value: Basic (RFC 7617) or Digest (RFC 2069, RFC 7616).

    *count* grows with each request.
    """
    if strength(challenge) <= 1:
        return "Basic " + base64.b64encode(as_bytes("{}:{}".format(server.user, server.password))).decode()
    fields = challenge_fields(challenge)
    algorithm = fields.get("algorithm", "MD5").upper()

    def digest(*parts):
        return HASHES[algorithm](as_bytes(":".join(parts))).hexdigest()

    realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
    secret, target = digest(server.user, realm, server.password), digest(method, url)
    values = [("username", server.user), ("realm", realm), ("nonce", nonce), ("uri", url)]
    if "qop" in fields:
        fresh, number = os.urandom(8).hex(), "{:08x}".format(count)
        values += [("cnonce", fresh), ("response", digest(secret, nonce, number, fresh, "auth", target))]
        tail = ", qop=auth, nc=" + number
    else:
        values.append(("response", digest(secret, nonce, target)))
        tail = ""
    if "opaque" in fields:
        values.append(("opaque", fields["opaque"]))
    if "algorithm" in fields:
        tail += ", algorithm=" + fields["algorithm"]
    return "Digest " + ", ".join('{}="{}"'.format(name, value) for name, value in values) + tail
