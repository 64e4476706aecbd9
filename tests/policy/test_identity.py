import datetime
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from policy.identity import BadIdentity, load_certificate, load_private_key, new_identity

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def certificate_of(subject="alpha", issuer="alpha", key=None, signer=None, subject_oid=NameOID.COMMON_NAME):
    key = key or Ed25519PrivateKey.generate()
    signer = signer or key
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(subject_oid, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(subject_oid, issuer)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + datetime.timedelta(days=1))
        .sign(signer, None if isinstance(signer, Ed25519PrivateKey) else hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()


def test_an_identity_reads_back():
    private, pem = new_identity("alpha", days=30, starts=BEGIN)
    certificate = load_certificate(pem)
    assert certificate.party == "alpha"
    assert certificate.public_key == load_private_key(private).public_key()
    assert certificate.is_valid_at(BEGIN)
    assert not certificate.is_valid_at(BEGIN + datetime.timedelta(days=31))
    assert len(certificate.fingerprint) == 64


@pytest.mark.parametrize("party", ["", "Alpha", "a" * 64, "a_b", "-a", "a/b"])
def test_a_name_that_no_namespace_could_have_is_refused(party):
    with pytest.raises(BadIdentity):
        new_identity(party, days=1)


@pytest.mark.parametrize(
    ("pem", "what"),
    [
        (certificate_of(key=ec.generate_private_key(ec.SECP256R1())), "not an Ed25519 key"),
        (certificate_of(issuer="bravo"), "somebody else"),
        (certificate_of(signer=Ed25519PrivateKey.generate()), "signature does not hold"),
        (certificate_of(signer=ec.generate_private_key(ec.SECP256R1())), "not signed with Ed25519"),
        (certificate_of("Not A Party", "Not A Party"), "no party's name"),
        (certificate_of(subject_oid=NameOID.ORGANIZATION_NAME), "not just CN"),
        (certificate_of() + certificate_of(), "exactly one"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "no X.509"),
        ("hello", "exactly one"),
    ],
)
def test_anything_but_one_selfsigned_ed25519_certificate_is_refused(pem, what):
    with pytest.raises(BadIdentity, match=what):
        load_certificate(pem)


def test_a_private_key_in_a_certificates_place_is_refused_and_not_shown():
    private, _ = new_identity("alpha", days=1)
    with pytest.raises(BadIdentity, match="private key") as caught:
        load_certificate(private.decode())
    assert private.decode().splitlines()[1] not in str(caught.value)


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----"])
def test_a_broken_private_key_is_refused_without_its_text(pem):
    with pytest.raises(BadIdentity) as caught:
        load_private_key(pem)
    assert "QUJD" not in str(caught.value)
    assert caught.value.__cause__ is None


def context(purpose, private, pem, trusted, tmp_path, name):
    """As a worker makes it: TLS 1.3, its own identity, the other's certificate as the only anchor."""
    made = ssl.SSLContext(purpose)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    (tmp_path / name).write_bytes(private + pem.encode())
    made.load_cert_chain(tmp_path / name)
    made.load_verify_locations(cadata=trusted)
    return made


def test_tls_accepts_two_identities_that_trust_just_each_other(tmp_path):
    alpha, bravo = new_identity("alpha", 1), new_identity("bravo", 1)
    ours, theirs = socket.socketpair()
    server = context(ssl.PROTOCOL_TLS_SERVER, *alpha, bravo[1], tmp_path, "alpha.pem")
    client = context(ssl.PROTOCOL_TLS_CLIENT, *bravo, alpha[1], tmp_path, "bravo.pem")
    seen = []

    def serve():
        with server.wrap_socket(ours, server_side=True) as connection:
            seen.append(connection.getpeercert(binary_form=True))

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(theirs) as connection:
        assert connection.getpeercert(binary_form=True) == load_certificate(alpha[1]).der
        connection.recv(1)
    thread.join(300)
    assert seen == [load_certificate(bravo[1]).der]
