"""Certificate authority of this machine, for phones on a network without public host names."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from sightline.core.errors import ConfigError
from sightline.security import files as private
from sightline.security.tls import Address, Certificate, addresses, host_names

log = logging.getLogger(__name__)

AUTHORITY_DAYS = 3650
DAYS = 90
RENEW_DAYS = 30
"""Days before its end at which a certificate is replaced."""


class Own(Certificate):
    """Certificate for all current addresses of the machine, signed by an authority that is made once."""

    authority: Path

    def __init__(self, folder: Path, *, more: Iterable[Address] = ()) -> None:
        self._folder = folder
        self._more = set(more)
        self.authority = folder / "ca.crt"

    @property
    def files(self) -> tuple[Path, Path]:
        return self._folder / "server.crt", self._folder / "server.key"

    def renew(self) -> bool:
        """Make what is missing, expires soon, or is for other addresses than the machine has now."""
        with private.locked(self._folder):
            now = datetime.datetime.now(datetime.UTC)
            authority = self._authority(now)
            wanted = {*addresses(), *self._more}
            self.fingerprint = authority.fingerprint(hashes.SHA256()).hex(":").upper()
            if self._serves(authority, wanted, now):
                return False
            self._make(authority, wanted, now)
            return True

    def _authority(self, now: datetime.datetime) -> x509.Certificate:
        path = self._folder / "ca.crt"
        if path.exists() and (self._folder / "ca.key").exists():
            found = _read(path)
            if _lasts(found, now, DAYS):
                return found
        key = ec.generate_private_key(ec.SECP256R1())
        made = _authority(key, now).sign(key, hashes.SHA256())
        private.write(self._folder / "ca.key", _pem_of(key))
        private.write(path, _pem(made))
        log.info("a certificate authority was made for this machine in %s", self._folder)
        return made

    def _serves(self, authority: x509.Certificate, wanted: set[Address], now: datetime.datetime) -> bool:
        chain, key = self.files
        if not (chain.exists() and key.exists()):
            return False
        found = _read(chain)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return (
            _lasts(found, now, RENEW_DAYS)
            and set(names.get_values_for_type(x509.IPAddress)) == wanted
            and found.issuer == authority.subject
            and _issued(found, authority)
            and _fits(key, found)
        )

    def _make(self, authority: x509.Certificate, wanted: set[Address], now: datetime.datetime) -> None:
        try:
            signer = serialization.load_pem_private_key((self._folder / "ca.key").read_bytes(), None)
        except (OSError, ValueError) as e:
            raise ConfigError(f"{self._folder / 'ca.key'}: {e}; expected the key that was made with ca.crt") from None
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            _begin(key, "Sightline", authority.subject, now, DAYS)
            .add_extension(
                x509.SubjectAlternativeName(
                    [
                        *(x509.DNSName(name) for name in host_names()),
                        *(x509.IPAddress(a) for a in sorted(wanted, key=lambda a: (a.version, int(a)))),
                    ]
                ),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        chain, key_file = self.files
        private.write(key_file, _pem_of(key))
        private.write(chain, _pem(made) + _pem(authority))


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> x509.CertificateBuilder:
    """An authority that a phone can trust: its name constraints give this machine no power over the rest of the web."""
    host = host_names()[-1].removesuffix(".local")
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Sightline on {host}"[:64])])
    names = [x509.DNSName("localhost"), x509.DNSName("local")]
    return (
        _begin(key, subject, subject, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.NameConstraints(names, None), critical=True)
    )


def _begin(
    key: ec.EllipticCurvePrivateKey, subject: x509.Name | str, issuer: x509.Name, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    if isinstance(subject, str):
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # phones' clocks may be behind ours
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _lasts(found: x509.Certificate, now: datetime.datetime, days: int) -> bool:
    """Return False for one that ends within these days, or was made while the clock was ahead and is not valid yet."""
    return found.not_valid_before_utc <= now and found.not_valid_after_utc - now > datetime.timedelta(days=days)


def _issued(found: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        found.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError):
        return False
    return True


def _fits(key: Path, found: x509.Certificate) -> bool:
    """Return False where the key is not the certificate's, as after a crash between the two."""
    try:
        return serialization.load_pem_private_key(key.read_bytes(), None).public_key() == found.public_key()
    except ValueError:
        return False


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as e:
        raise ConfigError(f"{path}: {e}; expected a certificate. Move it away and a new one is made") from None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
