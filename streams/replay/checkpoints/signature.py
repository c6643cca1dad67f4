"""
Signing a checkpoint with ed25519, and checking it: who holds the private key said that the record was so.

Keys are PEM files, as `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` make them; a private key without a passphrase is
the file's owner's to keep.
"""

from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from streams.errors import ConfigError, LogError
from streams.replay.checkpoints.checkpoint import Checkpoint


def make_key(path: Path) -> Path:
    """A new private key at `path`, readable by its owner alone, and its public half beside it, which is returned."""
    key = Ed25519PrivateKey.generate()
    public = path.with_suffix(path.suffix + ".pub")
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    except OSError as error:
        raise ConfigError(f"key file {path} must be new and writable: {error.strerror}") from error
    return public


def signed(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    """The checkpoint with the signature of the private key at `path`. Raises: ConfigError where that is none."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(f"key {path} must be readable: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"key {path} must be a private ed25519 key in PEM without a passphrase: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"key {path} must be an ed25519 key, was {type(key).__name__}")
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    return msgspec.structs.replace(checkpoint, public_key=public, signature=key.sign(checkpoint.text()).hex())


def must_be_signed(checkpoint: Checkpoint, path: Path) -> None:
    """
    Returns where the checkpoint carries the signature of the public key at `path`.

    Raises: ConfigError where that is no key; LogError where the signature is missing, or of other bytes or another key.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"key {path} must be readable: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"key {path} must be a public ed25519 key in PEM: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"key {path} must be an ed25519 key, was {type(key).__name__}")
    if not checkpoint.signature:
        raise LogError(f"checkpoint of {checkpoint.session} must be signed, is not")
    try:
        key.verify(bytes.fromhex(checkpoint.signature), checkpoint.text())
    except (InvalidSignature, ValueError) as error:
        raise LogError(
            f"checkpoint of {checkpoint.session} must be signed by {path}, is not: it was altered, or another key signed it"
        ) from error
