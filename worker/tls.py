"""TLS between members: version 1.3 only, both sides prove themselves, and only this run's certificates are trusted."""

import ssl
import tempfile
from pathlib import Path

from worker.runspec import MemberSpec


def contexts(
    members: tuple[MemberSpec, ...], certificate: str, key: Path, scratch: Path
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the context for accepting and the one for dialing, both with the identity in `certificate` and `key`.

    `scratch` is a writable directory: Python's ssl reads a certificate only from a file.
    """
    return (
        _context(ssl.PROTOCOL_TLS_SERVER, members, certificate, key, scratch),
        _context(ssl.PROTOCOL_TLS_CLIENT, members, certificate, key, scratch),
    )


def der_of(certificate: str) -> bytes:
    """Return a PEM certificate's DER: what a peer's certificate is compared with, bit for bit."""
    return ssl.PEM_cert_to_DER_cert(certificate)


def _context(
    protocol: "ssl._SSLMethod", members: tuple[MemberSpec, ...], certificate: str, key: Path, scratch: Path
) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    # Names in certificates mean nothing here: the peer's whole certificate is compared after the handshake.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    for member in members:
        context.load_verify_locations(cadata=member.certificate)
    # A member's certificate is trusted itself; it needs no issuer, and can be none.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    # No resumption: every connection proves both identities anew. No compression: lengths would tell of contents.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    if protocol is ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    # The certificate is public; the key stays in its mounted Secret.
    with tempfile.NamedTemporaryFile("w", suffix=".pem", dir=scratch) as file:
        file.write(certificate)
        file.flush()
        context.load_cert_chain(file.name, key)
    return context
