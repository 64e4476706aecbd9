"""Secrets as the Job mounts them: one directory per Secret, one file per key. Their contents never reach a message."""

from pathlib import Path

from worker.errors import BadDocument

KEY_FILE = "tls.key"  # of the identity's Secret
MAX_SECRET_BYTES = 64 * 1024


def read_secret(secrets: Path, secret: str, key: str) -> str:
    """Return one key of a mounted Secret, without the line end that editors add.

    Raises:  BadDocument if it is missing, too large or not text.
    """
    path = secrets / secret / key
    try:
        content = path.read_bytes()
        if len(content) <= MAX_SECRET_BYTES:
            return content.decode().rstrip("\r\n")
        problem = f"is larger than {MAX_SECRET_BYTES} bytes"
    except UnicodeDecodeError:
        problem = "is not text"
    except OSError:
        problem = "is not there"
    raise BadDocument(
        f"key {key!r} of the Secret {secret!r} {problem}",
        where=str(path),
        fix="create the Secret in this namespace with this key, as the party document names it",
    )
