"""JSON Web Tokens with RS256, as GitHub's issuer signs them (RFC 7515, RFC 7519).

Owns: a key pair, signing, and checking a signature. Must not know what claims mean.
"""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any

from sandbox.errors import JsonObject

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_KEY_BITS = 2048
_EXPONENT = 65537
_PARTS = 3


class JwtError(ValueError):
    """A token that is none, or that another key signed."""


class KeyPair:
    """An RSA key, made when it is first needed: starting the sandbox need not wait for it.

    Attributes:
        kid: the name of the key in headers and in the published set.
    """

    kid = "sandbox-1"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: RSAPrivateKey | None = None

    @property
    def _key(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - only with tokens

        with self._lock:
            if self._made is None:
                self._made = rsa.generate_private_key(_EXPONENT, _KEY_BITS)
            return self._made

    def jwks(self) -> JsonObject:
        """The public key as a JWK set (RFC 7517)."""
        numbers = self._key.public_key().public_numbers()
        public = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid}
        return {"keys": [{**public, "n": _of_number(numbers.n), "e": _of_number(numbers.e)}]}

    def sign(self, claims: JsonObject) -> str:
        """The signed token with these claims."""
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

        header = {"typ": "JWT", "alg": "RS256", "kid": self.kid}
        signed = f"{_encoded(_json(header))}.{_encoded(_json(claims))}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"

    def claims(self, token: str) -> JsonObject:
        """The claims of a token that this key signed.

        Raises:
            JwtError: it is no token, names another key or algorithm, or the signature is wrong.
        """
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

        parts = token.split(".")
        if len(parts) != _PARTS:
            raise JwtError("The token is not a JWT.")
        header, claims = _document(parts[0]), _document(parts[1])
        if header.get("alg") != "RS256" or header.get("kid") != self.kid:
            raise JwtError("The token is signed with a key that the issuer does not publish.")
        signed = f"{parts[0]}.{parts[1]}".encode()
        try:
            self._key.public_key().verify(
                _decoded(parts[2]), signed, padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            raise JwtError("The signature of the token is not valid.") from None
        return claims


def _json(value: JsonObject) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _of_number(value: int) -> str:
    return _encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise JwtError("The token is not a JWT.") from None


def _document(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(part))
    except ValueError:
        raise JwtError("The token is not a JWT.") from None
    if not isinstance(value, dict):
        raise JwtError("The token is not a JWT.")
    return value
