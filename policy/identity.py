"""A party's identity: an Ed25519 key, known by a self-signed certificate in the party document."""

import datetime
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, SignatureAlgorithmOID

_PARTY = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_MAX_PEM_BYTES = 16 * 1024
# A peer whose clock is a little behind must not refuse a new identity.
_CLOCK_SKEW = datetime.timedelta(minutes=5)


class BadIdentity(Exception):
    """A certificate or key that is no party's identity: what is wrong, never what it holds."""

    def __init__(self, what: str, fix: str = "make one with `ccd keys new PARTY`") -> None:
        super().__init__(f"{what} (fix: {fix})")
        self.what, self.fix = what, fix


@dataclass(frozen=True)
class Certificate:
    """The facts of a party's certificate."""

    party: str
    public_key: Ed25519PublicKey
    not_before: datetime.datetime  # UTC
    not_after: datetime.datetime  # UTC
    der: bytes
    fingerprint: str  # SHA-256 of the DER, in hex

    def is_valid_at(self, moment: datetime.datetime) -> bool:
        """Whether `moment` (with a time zone) lies in the certificate's days."""
        return self.not_before <= moment <= self.not_after


def new_identity(party: str, days: int, starts: datetime.datetime | None = None) -> tuple[bytes, str]:
    """Return a fresh private key (PKCS8 PEM) and its self-signed certificate (PEM), by default from now.

    Raises:  BadIdentity if `party` is no party's name or `days` is not positive.
    """
    if not _PARTY.fullmatch(party):
        raise BadIdentity(f"{party!r} is no party's name", "use lower-case letters, digits and '-'")
    if not 1 <= days <= 3660:
        raise BadIdentity(f"an identity is valid for 1 to 3660 days, not {days}", "choose a number between")
    key = Ed25519PrivateKey.generate()
    begin = (starts or datetime.datetime.now(datetime.UTC)) - _CLOCK_SKEW
    certificate = _certificate(party, key, begin, begin + _CLOCK_SKEW + datetime.timedelta(days=days))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def load_certificate(pem: str) -> Certificate:
    """Return the facts of a party's certificate; its days are not compared with any clock here.

    Raises:  BadIdentity for anything but exactly one self-signed Ed25519 certificate with one party's name.
    """
    certificate = _parse_certificate(pem)
    key = certificate.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise BadIdentity("the certificate's key is not an Ed25519 key")
    if certificate.issuer != certificate.subject:
        raise BadIdentity("the certificate was issued by somebody else; an identity is self-signed")
    if certificate.signature_algorithm_oid != SignatureAlgorithmOID.ED25519:
        raise BadIdentity("the certificate is not signed with Ed25519")
    try:
        key.verify(certificate.signature, certificate.tbs_certificate_bytes)
    except InvalidSignature as error:
        raise BadIdentity("the certificate's own signature does not hold; it was changed") from error
    return Certificate(
        party=_party_of(certificate),
        public_key=key,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        der=certificate.public_bytes(serialization.Encoding.DER),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def load_private_key(pem: bytes) -> Ed25519PrivateKey:
    """Return the Ed25519 key of an unencrypted PKCS8 PEM.

    Raises:  BadIdentity for anything else; the message never holds a part of it.
    """
    try:
        key = serialization.load_pem_private_key(pem[:_MAX_PEM_BYTES], password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # `from None`: the parser's own words may quote the key.
        raise BadIdentity("the private key is not an unencrypted PKCS8 PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadIdentity("the private key is not an Ed25519 key")
    return key


def _parse_certificate(pem: str) -> x509.Certificate:
    text = pem.strip()
    if "PRIVATE KEY" in text:
        raise BadIdentity(
            "there is a private key where a certificate belongs", "replace this key: it is no longer secret"
        )
    is_block = text.startswith("-----BEGIN CERTIFICATE-----") and text.endswith("-----END CERTIFICATE-----")
    if not is_block or text.count("-----BEGIN") != 1 or len(text) > _MAX_PEM_BYTES:
        raise BadIdentity("the text is not exactly one PEM certificate")
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        raise BadIdentity("the PEM block holds no X.509 certificate") from None


def _party_of(certificate: x509.Certificate) -> str:
    names = list(certificate.subject)
    if len(names) != 1 or names[0].oid != NameOID.COMMON_NAME:
        raise BadIdentity("the certificate's subject is not just CN=<party>")
    party = str(names[0].value)
    if not _PARTY.fullmatch(party):
        raise BadIdentity("the certificate's CN is no party's name")
    return party


def _certificate(
    party: str, key: Ed25519PrivateKey, begin: datetime.datetime, end: datetime.datetime
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, party)])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=False,  # with CA false too, a party can never sign another one into a run
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    both_ways = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(both_ways, critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(party)]), critical=False)
        .add_extension(subject_key, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_key), critical=False)
        .sign(key, None)
    )
