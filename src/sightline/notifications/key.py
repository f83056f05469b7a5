"""The key by which push services know this server (VAPID). Browsers subscribe for this key alone."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sightline.core.errors import ConfigError, shortage
from sightline.security import files


def own_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """Read the key, or make it the first time. Raises ConfigError or Shortage."""
    path = folder / "push.pem"
    with files.locked(folder):
        try:
            return _read(path)
        except FileNotFoundError:
            key = ec.generate_private_key(ec.SECP256R1())
            files.write(
                path,
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            )
            return key


def _read(path: Path) -> ec.EllipticCurvePrivateKey:
    unusable = ConfigError(f"{path}: expected the key that this server made; remove it, and devices subscribe anew")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        raise
    except OSError as e:
        raise shortage(e) or ConfigError(f"can't read {path}: {e.strerror}") from None
    except (ValueError, TypeError):
        raise unusable from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise unusable
    return key


def public_half(key: ec.EllipticCurvePrivateKey) -> str:
    """Return what browsers subscribe with: the uncompressed point, in base64url without padding."""
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).decode().rstrip("=")
