"""Git as a program: a federation's history read without a checkout, and the commits that people ask for.

The user's own configuration, hooks and signing apply; `renderer.dev.git` is for repositories of our own making.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from renderer.errors import BAD_DOCUMENT, CALLED_WRONGLY, CommandError

# Inside a hook these would point to another repository.
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
_PLAIN_FILES = ("100644", "100755")
_DOCUMENT = "workflows/federation.yaml"  # without it a directory is no federation
_SIGNATURES = {
    "G": "signed by {}",
    "U": "signed by {}, whom nobody here vouches for",
    "X": "signed by {}, whose signature has expired since",
    "Y": "signed by {}, whose key has expired since",
    "R": "signed by {}, whose key was REVOKED",
    "B": "its signature is BAD: the commit was changed",
    "E": "signed, but the signer's key is not known here",
    "N": "not signed",
}
_APPROVALS = ("approved-by", "reviewed-by", "acked-by")


class GitError(CommandError):
    """Git said no."""


class NoRepositoryError(CommandError):
    """A federation that is not in Git at all."""


class NotAtTopError(CommandError):
    """A federation in a directory of somebody's repository.

    Its rendered tree would lie where no ApplicationSet looks, and its CODEOWNERS where no forge does.
    """

    def __init__(self, root: Path, prefix: str) -> None:
        what = f"{root} is the directory {prefix} of a Git repository, and a federation is a repository of its own"
        fix = (
            "Argo CD and the forge read argocd/rendered/, argocd/ci/ and CODEOWNERS at its top: git init there, or"
            f" git subtree split --prefix={prefix.rstrip('/')} to take its history along"
        )
        up = "/".join(".." for _ in Path(prefix).parts)
        if not (root / _DOCUMENT).is_file() and (root / up / _DOCUMENT).is_file():
            fix = f"the federation is at its top: ccd -C {root / up}"
        super().__init__(what, fix, BAD_DOCUMENT)


@dataclass(frozen=True)
class Signature:
    """What Git makes of a commit's own signature, with the keys that are known on this machine."""

    status: str  # Git's letter: G good, N none, B bad, R revoked, others in between
    signer: str

    @property
    def is_broken(self) -> bool:
        """Whether it is certain that the signature does not stand for its commit."""
        return self.status in ("B", "R")

    def __str__(self) -> str:
        return _SIGNATURES.get(self.status, "unreadable").format(self.signer or "a key without a name")


@dataclass(frozen=True)
class Commit:
    """Who brought something in, and who approved of it."""

    sha: str
    author: str  # Name <address>
    committer: str
    date: str  # of the commit, in ISO 8601
    subject: str
    approvals: tuple[str, ...]  # what trailers such as Approved-by say
    signature: "Signature"


@dataclass(frozen=True)
class Repository:
    """The Git repository that the federation in `root` is."""

    root: Path

    @classmethod
    def at(cls, root: Path) -> "Repository":
        """Return the repository of which `root` is the top.

        Raises:  NoRepositoryError, NotAtTopError.
        """
        try:
            prefix = run_git(root, "rev-parse", "--show-prefix").decode().strip()
        except GitError:
            raise NoRepositoryError(f"{root} is not in a Git repository", "git init, or name another with -C") from None
        if prefix:
            raise NotAtTopError(root, prefix)
        return cls(root)

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run Git and return what it prints."""
        return run_git(self.root, *arguments, stdin=stdin).decode("utf-8", errors="replace")

    def resolve(self, revision: str) -> str:
        """Return the commit that `revision` names.

        Raises:  CommandError if there is none.
        """
        try:
            return self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
        except GitError:
            fix = "name a commit, branch or tag; in CI, fetch the whole history"
            raise CommandError(f"there is no revision {revision} here", fix, CALLED_WRONGLY) from None

    def fork_point(self, commit: str) -> str:
        """Return where the checked-out branch left that of `commit`, or `commit` if they have nothing in common.

        What was merged over there since is not this branch's doing.
        """
        try:
            return self.git("merge-base", "HEAD", commit).strip()
        except GitError:
            return commit

    def files(self, commit: str, *paths: str) -> dict[str, bytes]:
        """Return the plain files below `paths` as they were at `commit`; links and submodules are left out.

        Raises:  CommandError for a tree that leads out of itself: whoever writes objects by hand can make one.
        """
        listed = self.git("ls-tree", "-r", "-z", commit, "--", *paths)
        blobs: dict[str, str] = {}
        for entry in filter(None, listed.split("\0")):
            facts, _, path = entry.partition("\t")
            if not {"", ".", ".."}.isdisjoint(path.split("/")):
                fix = "git fsck; no Git of ours makes such a commit, and a forge can be told to take none"
                raise CommandError(f"the commit {commit[:10]} holds a path that leads out of it", fix)
            mode, _, sha = facts.split(" ")
            if mode in _PLAIN_FILES:
                blobs[path] = sha
        output = run_git(self.root, "cat-file", "--batch", stdin="".join(f"{sha}\n" for sha in blobs.values()).encode())
        return dict(zip(blobs, _batch(output), strict=True))

    def contents(self, places: Sequence[str]) -> tuple[bytes, ...]:
        """Return the contents of files, each named as commit:path."""
        wanted = "".join(f"{place}\n" for place in places)
        return tuple(_batch(run_git(self.root, "cat-file", "--batch", stdin=wanted.encode())))

    def export(self, commit: str, target: Path, *paths: str) -> None:
        """Write the plain files below `paths` as they were at `commit` into `target`; nothing is checked out."""
        for path, content in self.files(commit, *paths).items():
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def changed_since(self, commit: str) -> tuple[str, ...]:
        """Return the files that differ between `commit` and the working tree, new ones included."""
        differing = self.git("diff", "--name-only", "--no-renames", "--relative", "-z", commit, "--", ".")
        new = self.git("ls-files", "--others", "--exclude-standard", "-z", "--", ".")
        return tuple(sorted({*filter(None, differing.split("\0")), *filter(None, new.split("\0"))}))

    def dirty(self) -> tuple[tuple[str, str], ...]:
        """Return (state, path) of everything that is not as it was committed; of untracked files the state is `??`."""
        listed = self.git("status", "--porcelain=v1", "--no-renames", "--untracked-files=all", "-z")
        return tuple((entry[:2], entry[3:]) for entry in listed.split("\0") if entry)

    def author(self) -> str:
        """Return who commits here.

        Raises:  CommandError if Git would have to guess.
        """
        try:
            ident = self.git("-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
        except GitError:
            fix = "git config user.name 'Your Name', git config user.email you@example.org"
            raise CommandError("Git does not know who you are, and a submission has an author", fix) from None
        return ident.rpartition(">")[0] + ">"

    def branch_exists(self, name: str) -> bool:
        """Whether there is a local branch of that name."""
        return bool(self.git("for-each-ref", "--format=%(refname)", f"refs/heads/{name}").strip())

    def remote(self, name: str) -> str | None:
        """Return a remote's URL, or None if there is no such remote."""
        try:
            return self.git("remote", "get-url", name).strip()
        except GitError:
            return None

    def commit(self, revision: str) -> Commit:
        """Return the facts of a commit."""
        form = "%H%x00%an <%ae>%x00%cn <%ce>%x00%cI%x00%s%x00%G?%x00%GS%x00%(trailers:only,unfold)"
        shown = self.git("show", "--no-patch", "--no-show-signature", f"--format={form}", revision)
        sha, author, committer, date, subject, status, signer, trailers = shown.rstrip("\n").split("\0")
        return Commit(sha, author, committer, date, subject, tuple(_approvals(trailers)), Signature(status, signer))


def require_top(root: Path) -> None:
    """Raise NotAtTopError for a federation that is a directory of a repository; outside of Git it may lie anywhere."""
    with contextlib.suppress(NoRepositoryError):
        Repository.at(root)


def is_taken_by_git(file: Path) -> bool:
    """Whether `git add --all` would take a file that is written there: it is in a repository that does not ignore it."""
    try:
        inside = run_git(file.parent, "rev-parse", "--is-inside-work-tree")
    except CommandError:
        return False  # no repository, or no Git at all
    try:
        run_git(file.parent, "check-ignore", "--quiet", "--", file.name)
    except GitError:
        return inside.strip() == b"true"
    return False


def run_git(
    directory: Path,
    *arguments: str,
    stdin: bytes = b"",
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Run Git in `directory` and return what it prints; `settings` go before every configuration file's.

    Raises:  GitError.
    """
    words = [word for key, value in (settings or {}).items() for word in ("-c", f"{key}={value}")]
    inherited = {key: value for key, value in os.environ.items() if key not in _ELSEWHERE}
    try:
        done = subprocess.run(  # noqa: S603 - no shell; revisions come after --end-of-options or --verify
            ["git", "-c", "core.quotePath=false", *words, *arguments],  # noqa: S607 - the user's Git, wherever it is
            cwd=directory,
            env=inherited if environment is None else dict(environment),
            input=stdin,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise CommandError("git is not installed", "install it: a federation is a Git repository") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", errors="replace").strip()
        raise GitError(f"git {arguments[0]} failed in {directory}: {said}")
    return done.stdout


def _batch(output: bytes) -> Iterator[bytes]:
    """Yield the contents that `git cat-file --batch` prints: a line that ends with the size, the bytes, a line end."""
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        size = int(output[position:end].rpartition(b" ")[2])
        yield output[end + 1 : end + 1 + size]
        position = end + 1 + size + 1


def _approvals(trailers: str) -> Iterator[str]:
    for line in trailers.splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() in _APPROVALS and value.strip():
            yield value.strip()
