"""The certificates: made once, renewed by themselves, accepted by strict clients, for this machine and nothing else."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import ssl
import stat
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sightline.core.errors import ConfigError
from sightline.security import authority, tls
from sightline.security.authority import Own
from sightline.security.tls import Given
from support.streams import until

LOCAL = "127.0.0.1"


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


async def shown(context: ssl.SSLContext, trusted: ssl.SSLContext, name: str) -> x509.Certificate:
    """What a client that trusts so gets to see under that name. Raises SSLError where it does not accept it."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), LOCAL, 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection(LOCAL, port, ssl=trusted, server_hostname=name)
        try:
            return x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        finally:
            writer.close()


def strict(file: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


async def test_strict_clients_accept_it_for_this_machine_only(tmp_path: Path) -> None:
    own = Own(tmp_path / "tls")
    context = own.context()
    trusted = strict(own.authority)
    for name in (LOCAL, "localhost", *(n for n in tls.host_names() if n.endswith(".local"))):
        assert (await shown(context, trusted, name)).issuer == read(own.authority).subject
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        await shown(context, trusted, "example.com")


def test_it_is_made_once_and_its_keys_are_for_nobody_else(tmp_path: Path) -> None:
    own = Own(tmp_path / "tls")
    assert own.renew()
    before = {file.name: file.read_bytes() for file in own.authority.parent.iterdir()}
    assert not own.renew()
    assert not Own(tmp_path / "tls").renew(), "another start of the server"
    assert {file.name: file.read_bytes() for file in own.authority.parent.iterdir()} == before
    if os.name == "posix":
        assert {stat.S_IMODE(file.stat().st_mode) for file in own.authority.parent.iterdir()} == {0o600}


def test_phones_accept_its_form(tmp_path: Path) -> None:
    own = Own(tmp_path)
    own.renew()
    found, root = read(own.files[0]), read(own.authority)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.IPAddress)) == set(tls.addresses())
    assert ipaddress.ip_address(LOCAL) in tls.addresses()
    lifetime = found.not_valid_after_utc - found.not_valid_before_utc
    assert lifetime < datetime.timedelta(days=398), "iOS and others refuse longer ones"
    assert own.fingerprint == root.fingerprint(hashes.SHA256()).hex(":").upper()
    found.verify_directly_issued_by(root)


async def test_a_stolen_authority_has_no_power_over_the_web(tmp_path: Path) -> None:
    own = Own(tmp_path)
    own.renew()
    key = serialization.load_pem_private_key((tmp_path / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    root = read(own.authority)
    own_key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(root.subject)
        .public_key(own_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own_key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "forged.crt").write_bytes(forged.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "forged.key").write_bytes(own_key.private_bytes(*form))
    context = Given(tmp_path / "forged.crt", tmp_path / "forged.key").context()
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        await shown(context, strict(own.authority), "bank.example")


async def test_another_address_means_another_certificate_while_it_serves(tmp_path: Path) -> None:
    own = Own(tmp_path)
    context, trusted = own.context(), strict(own.authority)
    first, root = await shown(context, trusted, LOCAL), own.authority.read_bytes()
    moved = Own(tmp_path, more=[ipaddress.ip_address("198.51.100.7")])
    assert moved.renew()
    moved.load(context)
    assert (await shown(context, trusted, LOCAL)).serial_number != first.serial_number
    assert own.authority.read_bytes() == root, "phones trust it still"


@pytest.mark.parametrize("first", [True, False], ids=["authority and all", "the certificate alone"])
async def test_what_was_made_while_the_clock_was_ahead_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    """Phones refused it for as long as the clock had been ahead."""

    class Ahead(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Self:
            return super().now(tz) + datetime.timedelta(days=400)

    own = Own(tmp_path)
    if not first:
        own.renew()
    monkeypatch.setattr(datetime, "datetime", Ahead)
    assert own.renew()
    monkeypatch.undo()
    assert await shown(own.context(), strict(own.authority), LOCAL)
    assert not own.renew()


def test_it_is_renewed_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority, "DAYS", authority.RENEW_DAYS)
    own = Own(tmp_path)
    own.renew()
    monkeypatch.undo()
    before = read(own.files[0])
    assert own.renew()
    assert read(own.files[0]).not_valid_after_utc > before.not_valid_after_utc
    assert not own.renew()


async def test_a_running_server_keeps_it_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "LOOK_S", 0.01)
    monkeypatch.setattr(authority, "DAYS", authority.RENEW_DAYS)
    own = Own(tmp_path)
    context, trusted = own.context(), strict(own.authority)
    first = await shown(context, trusted, LOCAL)
    monkeypatch.setattr(authority, "DAYS", 90)
    keeping = asyncio.create_task(own.keep(context))
    seen = first
    async with asyncio.timeout(30):
        while seen.serial_number == first.serial_number:
            seen = await shown(context, trusted, LOCAL)
    keeping.cancel()


def test_a_lost_key_or_a_broken_file_is_told(tmp_path: Path) -> None:
    own = Own(tmp_path)
    own.renew()
    (tmp_path / "server.crt").unlink()
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"ca\.key"):
        own.renew()
    own.authority.write_text("nonsense")
    with pytest.raises(ConfigError, match="expected a certificate"):
        own.renew()


@pytest.mark.parametrize("torn", [True, False])
async def test_a_key_that_does_not_fit_is_made_anew(torn: bool, tmp_path: Path) -> None:
    """A crash, or a full disk, came between the key and its certificate."""
    own = Own(tmp_path / "one")
    own.renew()
    own.files[1].write_bytes(b"" if torn else site(tmp_path / "two")[1].read_bytes())
    again = Own(tmp_path / "one")
    context = again.context()
    await shown(context, strict(again.authority), LOCAL)
    assert not again.renew()


async def test_the_operators_own_certificate_is_taken_anew_when_it_changes(tmp_path: Path) -> None:
    one, two = Own(tmp_path / "one"), Own(tmp_path / "two")
    one.renew()
    two.renew()
    chain, key = tmp_path / "site.crt", tmp_path / "site.key"
    chain.write_bytes(one.files[0].read_bytes())
    key.write_bytes(one.files[1].read_bytes())
    given = Given(chain, key)
    context = given.context()
    assert (await shown(context, strict(one.authority), LOCAL)).issuer == read(one.authority).subject
    assert not given.renew()
    chain.write_bytes(two.files[0].read_bytes())
    key.write_bytes(two.files[1].read_bytes())
    os.utime(chain, (1, 1))
    assert given.renew()
    given.load(context)
    await shown(context, strict(two.authority), LOCAL)
    assert given.authority is None


def site(folder: Path) -> tuple[Path, Path]:
    """An operator's certificate and key."""
    own = Own(folder)
    own.renew()
    return own.files


class Watched(Given):
    """An operator's certificate, with the number of times that it was looked at."""

    looks = 0

    def renew(self) -> bool:
        self.looks += 1
        return super().renew()


async def test_one_that_is_replaced_by_half_costs_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tls, "LOOK_S", 0.01)
    caplog.set_level("INFO", "sightline")
    (chain, key), (new_chain, new_key) = site(tmp_path / "one"), site(tmp_path / "two")
    old, new = strict(tmp_path / "one" / "ca.crt"), strict(tmp_path / "two" / "ca.crt")
    given = Watched(chain, key)
    context = given.context()
    keeping = asyncio.create_task(given.keep(context))
    try:
        new_chain.replace(chain)
        await until(lambda: "the key is another certificate's" in caplog.text)
        await shown(context, old, LOCAL)
        key.unlink()
        await until(lambda: "expected the file of a certificate" in caplog.text)
        looks = given.looks
        await until(lambda: given.looks > looks + 3)
        told = [record.message for record in caplog.records if record.levelname == "ERROR"]
        assert len(told) == 2, "each trouble is told once"
        await shown(context, old, LOCAL)
        new_key.replace(key)
        await until(lambda: "the certificate was renewed" in caplog.text)
        await shown(context, new, LOCAL)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


@pytest.mark.parametrize(
    ("which", "says"),
    [
        (("key", "chain"), "the first has no certificate"),
        (("chain", "chain"), "the second has no private key"),
        (("chain", "other"), "the key is another certificate's"),
        (("chain", "hidden"), "the key is encrypted"),  # OpenSSL would ask for it at the terminal
        (("junk", "key"), "the first has no certificate"),
        (("broken", "key"), "expected PEM files"),
    ],
)
def test_files_that_do_not_serve_are_told_apart(which: tuple[str, str], says: str, tmp_path: Path) -> None:
    chain, key = site(tmp_path / "one")
    files = {"chain": chain, "key": key, "other": site(tmp_path / "two")[1]}
    made = serialization.load_pem_private_key(key.read_bytes(), None)
    lock = serialization.BestAvailableEncryption(b"secret")
    hidden = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    broken = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"
    for name, data in (("hidden", hidden), ("junk", b"nonsense"), ("broken", broken)):
        files[name] = tmp_path / name
        files[name].write_bytes(data)
    first, second = (files[name] for name in which)
    with pytest.raises(ConfigError, match=says):
        Given(first, second).context()


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected the file of a certificate"):
        Given(tmp_path / "absent.crt", tmp_path / "absent.key")
