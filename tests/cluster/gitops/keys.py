"""OpenPGP keys, made for a test, and commits signed with them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.binaries import NoBinaries


@dataclass(frozen=True)
class Key:
    """A private key in a keyring of its own."""

    home: Path
    fingerprint: str

    @property
    def options(self) -> tuple[str, ...]:
        """What Git is told to sign a commit with it."""
        settings = {
            "commit.gpgSign": "true",
            "user.signingKey": self.fingerprint,
            "gpg.program": str(self.home / "gpg-here"),
        }
        return tuple(word for key, value in settings.items() for word in ("-c", f"{key}={value}"))

    def publish(self, keyring: Path) -> None:
        """Put the public key where Argo CD looks for keys, as `argocd-gpg-keys-cm` would bring it there."""
        armored = _gpg(self.home, "--armor", "--export", self.fingerprint)
        # At once, since Argo CD reads a file as soon as it is there.
        new = keyring / "new"
        new.write_text(armored)
        new.rename(keyring / self.fingerprint[-16:])


@contextmanager
def new_key(directory: Path, name: str) -> Iterator[Key]:
    """Make a key for the time of a `with` block.

    Raises:  NoBinaries.
    """
    gpg = shutil.which("gpg")
    if gpg is None:
        raise NoBinaries("gpg: not found (fix: apt-get install gpg)")
    home = directory / name
    home.mkdir(mode=0o700)
    here = home / "gpg-here"
    here.write_text(f'#!/bin/sh\nexec "{gpg}" --homedir "{home}" "$@"\n')
    here.chmod(0o755)
    try:
        address = f"{name} <{name}@example.org>"
        _gpg(home, "--passphrase", "", "--quick-generate-key", address, "ed25519", "sign", "1d")
        listed = _gpg(home, "--with-colons", "--list-keys")
        [fingerprint] = [line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")]
        yield Key(home, fingerprint)
    finally:
        end_agent(home)


def end_agent(home: Path) -> None:
    """End the agent that gpg leaves running for a keyring."""
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True, check=False)


def _gpg(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["gpg", "--homedir", str(home), "--batch", "--quiet", *arguments],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
