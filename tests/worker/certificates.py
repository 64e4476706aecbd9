"""TLS on loopback with a certificate that nobody else vouches for."""

import ipaddress
import ssl
from pathlib import Path

from cryptography import x509

from tests.certificates import self_signed

LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def server_on_loopback(directory: Path) -> tuple[ssl.SSLContext, str]:
    """What a server on 127.0.0.1 needs, and its certificate, PEM, for those who are to trust it."""
    certificate, key = self_signed(LOOPBACK)
    (directory / "both.pem").write_bytes(certificate + key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / "both.pem")
    return server, certificate.decode()
