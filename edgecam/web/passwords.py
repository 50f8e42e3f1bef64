"""Passwords and tokens: only their hashes are kept, and guessing is slow.

A password's hash is Werkzeug's PBKDF2 text, "pbkdf2:sha256:ROUNDS$SALT$HEX"; a token is 256
random bits, so that a plain SHA-256 of it is safe to keep: "operator:sha256:HEX".
"""
import hashlib
import hmac
import re
import secrets
import threading
from collections import OrderedDict

from werkzeug.security import check_password_hash, generate_password_hash

from edgecam.errors import ConfigError
from edgecam.web.routes import OPERATOR, ROLES, VIEWER

METHOD = "pbkdf2:sha256:600000"
HASH = re.compile(r"pbkdf2:sha(?:1|224|256|384|512):[1-9]\d{0,8}\$[^$]+\$[0-9a-f]+\Z")
DIGEST = re.compile(r"[0-9a-f]{64}\Z")              # of `digest`
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"      # nothing that looks like something else


def hash_password(password):
    return generate_password_hash(password, method=METHOD)


def make_password():
    """Return a password of 80 bits that people can read out: "k7fa-...", four groups of four."""
    letters = [secrets.choice(ALPHABET) for _ in range(16)]
    return "-".join("".join(letters[n:n + 4]) for n in range(0, 16, 4))


def make_token(role):
    """Return (token, its line for the settings)."""
    token = secrets.token_urlsafe(32)
    return token, "{}:sha256:{}".format(role, digest(token))


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


class Keyring:
    """Which passwords and tokens open what, by the section ``web``. Raises `ConfigError` for what is no hash."""

    def __init__(self, settings, made_up=None):
        self._passwords = [(OPERATOR, check_hash("password", settings.password)),
                           (VIEWER, check_hash("viewer_password", settings.viewer_password))]
        if made_up is not None:
            self._passwords[0] = OPERATOR, hash_password(made_up)
        self._passwords = [(role, kept) for role, kept in self._passwords if kept]
        self._tokens = [parse_token(line) for line in settings.tokens]
        self._one_at_a_time = threading.Lock()      # guessing may keep one core busy, never all

    @property
    def locked(self):
        """Whether anything is asked at all."""
        return bool(self._passwords)

    def role_of_password(self, password):
        """Return the role that *password* gives, or None; takes a fraction of a second on purpose."""
        with self._one_at_a_time:
            for role, kept in self._passwords:
                if check_password_hash(kept, password):
                    return role
        return None

    def role_of_token(self, token):
        """Return the role that a bearer token gives, or None."""
        found, wanted = None, digest(token)
        for role, kept in self._tokens:
            if hmac.compare_digest(kept, wanted):
                found = role
        return found


def check_hash(key, text):
    if text and not HASH.match(text):
        raise ConfigError("web.{} should be a hash made by \"edgecam passwd\", not the password itself".format(key), keys=("web." + key,))
    return text


def parse_token(line):
    role, _, kept = line.partition(":sha256:")
    if role not in ROLES or not DIGEST.match(kept):
        raise ConfigError("web.tokens: expected lines made by \"edgecam passwd --token ROLE\", as viewer:sha256:...", keys=("web.tokens",))
    return ROLES[role], kept


class Attempts:
    """Limits how often each client, and all of them together, may try; its memory is bounded.

    A bucket holds *burst* attempts and wins one back every *every* seconds.
    """

    def __init__(self, burst=5, every=12.0, all_burst=30, all_every=1.0, clients=1024):
        self._burst, self._every, self._clients = burst, every, clients
        self._all = [float(all_burst), 0.0, all_burst, all_every]
        self._buckets, self._lock = OrderedDict(), threading.Lock()

    def wait_for(self, client, now):
        """Count one attempt; return 0, or the seconds after which *client* may try again."""
        with self._lock:
            bucket = self._buckets.pop(client, None) or [float(self._burst), now, self._burst, self._every]
            self._buckets[client] = bucket
            while len(self._buckets) > self._clients:
                self._buckets.popitem(last=False)
            waits = [refill(each, now) for each in (bucket, self._all)]
            if max(waits) > 0:
                return max(waits)
            bucket[0] -= 1
            self._all[0] -= 1
            return 0.0


def refill(bucket, now):
    """Give a bucket [tokens, time, size, seconds per token] what it won; return how long until it has one."""
    tokens, before, size, every = bucket
    bucket[0], bucket[1] = min(size, tokens + (now - before) / every), now
    return max(0.0, (1 - bucket[0]) * every)
