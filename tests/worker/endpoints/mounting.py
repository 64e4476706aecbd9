"""Secrets as the Job mounts them: a directory each, a file a key."""

from pathlib import Path


def mount(root: Path, keys: dict[str, str], secret: str = "store") -> Path:
    directory = root / secret
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    for name, value in keys.items():
        (directory / name).write_text(value + "\n")
    return root


def v1(url: str, login: str, key: str) -> dict[str, str]:
    return {"ST_AUTH": url, "ST_USER": login, "ST_KEY": key}
