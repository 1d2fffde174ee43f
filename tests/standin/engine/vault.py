"""Secrets of a stack under a passphrase, in the form that the state and configuration files have."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64decode, b64encode
from functools import cached_property
from pathlib import Path
from typing import Any

from . import values
from .failure import Failure

_UNSET = (
    "passphrase must be set with PULUMI_CONFIG_PASSPHRASE or "
    "PULUMI_CONFIG_PASSPHRASE_FILE environment variables"
)
_KNOWN = "pulumi"
_ROUNDS = 10_000  # the real one takes a hundred times as many, and a third of a second
WRONG = "incorrect passphrase"


def passphrase() -> str:
    """Of the environment; an empty one counts."""
    given = os.environ.get("PULUMI_CONFIG_PASSPHRASE")
    if given is not None:
        return given
    file = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if not file:
        raise Failure(_UNSET)
    try:
        return Path(file).read_text().rstrip("\r\n")
    except OSError:
        raise Failure(
            f"unable to read PULUMI_CONFIG_PASSPHRASE_FILE: open {file}: no such file or directory"
        ) from None


class Vault:
    """Opens lazily: deriving the key is most of what a command costs."""

    def __init__(self, salt: str | None = None) -> None:
        self._passphrase = passphrase()
        self._salt = b64decode(salt.split(":")[1]) if salt else os.urandom(8)
        self.state = salt or ""
        if not salt:
            self.state = f"v1:{b64encode(self._salt).decode()}:{self.encrypt(_KNOWN)}"

    @cached_property
    def _cipher(self) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(
            hashlib.pbkdf2_hmac("sha256", self._passphrase.encode(), self._salt, _ROUNDS, 32)
        )

    def verify(self) -> None:
        """Raises Failure where the passphrase is another one."""
        try:
            known = self.decrypt(self.state.split(":", 2)[2])
        except Failure:
            raise Failure(WRONG) from None
        if known != _KNOWN:
            raise Failure(WRONG)

    def encrypt(self, text: str) -> str:
        nonce = os.urandom(12)
        sealed = self._cipher.encrypt(nonce, text.encode(), None)
        return f"v1:{b64encode(nonce).decode()}:{b64encode(sealed).decode()}"

    def decrypt(self, sealed: str) -> str:
        from cryptography.exceptions import InvalidTag

        _, nonce, rest = sealed.split(":")
        try:
            return self._cipher.decrypt(b64decode(nonce), b64decode(rest), None).decode()
        except InvalidTag:
            raise Failure(
                f"failed to decrypt: {WRONG}, please set PULUMI_CONFIG_PASSPHRASE to the correct "
                "passphrase or set PULUMI_CONFIG_PASSPHRASE_FILE to a file containing the passphrase"
            ) from None

    def seal(self, tree: Any) -> Any:
        """A tree for a file: secrets as ciphertexts."""
        return values.map_secrets(
            tree,
            lambda wrapped: (
                {
                    values.SIGNATURE: values.SECRET,
                    "ciphertext": self.encrypt(json.dumps(wrapped["value"], separators=(",", ":"))),
                }
                if "value" in wrapped
                else wrapped
            ),
        )

    def unseal(self, tree: Any) -> Any:
        """A tree of a file: secrets with their values. `plaintext` is accepted, as in an export."""
        return values.map_secrets(tree, self._open)

    def _open(self, wrapped: dict) -> dict:
        if "plaintext" in wrapped:
            return values.secret(json.loads(wrapped["plaintext"]))
        if "ciphertext" in wrapped:
            return values.secret(json.loads(self.decrypt(wrapped["ciphertext"])))
        return wrapped
