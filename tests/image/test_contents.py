"""What is in the image, and what is not."""

import json
import re
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.image.conftest import ROOT

# What builds, installs or downloads; or another way to become root.
TOOLS = {"pip", "pip3", "gcc", "cc", "g++", "c++", "ld", "as", "make", "apt", "apt-get", "curl", "wget", "git", "sudo"}
PACKAGES = {"pip", "wheel", "ensurepip", "kubernetes", "jinja2", "renderer", "templates", "pytest", "swift"}


def lock(group: str = "worker") -> dict[str, str]:
    """Return name and version of each package in an image's lock."""
    text = (ROOT / "image" / f"{group}.lock").read_text().replace("\\\n", " ")
    lines = [line.split(" --hash")[0] for line in text.splitlines() if re.match(r"[a-z]", line)]
    pins = [Requirement(line) for line in lines]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


def listed(path: Path) -> dict[str, str]:
    """Return name and version of each of Python's packages in a bill of materials."""
    python = {c["name"]: c["version"] for c in bill(path) if c.get("purl", "").startswith("pkg:pypi/")}
    return {canonicalize_name(name): version for name, version in python.items()}


def bill(path: Path) -> list[dict[str, str]]:
    document = json.loads(path.read_bytes())
    assert document["bomFormat"] == "CycloneDX"
    return document["components"]


def test_the_bill_of_materials_is_a_valid_cyclonedx_document(built):
    text = (built / "sbom.cdx.json").read_text()
    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    assert JsonStrictValidator(version).validate_str(text) is None


def test_the_bill_of_materials_lists_exactly_what_is_locked_and_the_worker(image, built):
    components = bill(built / "sbom.cdx.json")
    packages = listed(built / "sbom.cdx.json")
    own = packages.pop("ccd", None) or next(c["version"] for c in components if c["name"] == "ccd")
    assert own == "0.1.0"
    assert packages == lock()


def test_the_bill_of_materials_lists_every_package_of_the_base(image, built):
    status = image.root / "var/lib/dpkg/status"
    installed = {
        re.search(r"^Package: (\S+)$", paragraph, re.MULTILINE)[1]
        for paragraph in status.read_text().split("\n\n")
        if "\nStatus: install ok installed\n" in paragraph
    }
    debian = {c["name"] for c in bill(built / "sbom.cdx.json") if c.get("purl", "").startswith("pkg:deb/")}
    assert debian == installed
    assert "libc6" in debian


def test_the_bill_of_materials_lies_where_the_label_says(image, built):
    inside = image.root / image.labels["dev.ccd.sbom"].lstrip("/")
    assert inside.read_bytes() == (built / "sbom.cdx.json").read_bytes()


def test_nothing_in_the_image_builds_installs_or_downloads(image):
    programs = {path.name for path in image.root.rglob("*bin/*")}
    assert not programs & TOOLS
    assert "python3.11" in programs  # the search does find programs
    packages = {path.name for place in image.root.rglob("*-packages") for path in place.iterdir()}
    assert not packages & PACKAGES
    assert "numba" in packages


def test_no_file_of_the_image_lends_rights(image):
    lending = [path for path in image.root.rglob("*") if path.is_file() and path.lstat().st_mode & 0o6000]
    assert [path for path in lending if not path.is_symlink()] == []


def test_the_labels_tell_what_it_is(image):
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in image.labels.items()}
    assert labels["title"] == "ccd-worker"
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?", labels["revision"])


def test_the_user_is_a_number_and_not_root(image):
    assert image.config["User"] == "65532:65532"


def test_no_byte_code_looks_at_its_source(image):
    """Bits 0 and 1 of the flags: by hash, unchecked. A time in it would be wrong in another build of the same image."""
    stale = [path for path in image.root.rglob("*.pyc") if path.read_bytes()[4:8] != b"\x01\0\0\0"]
    assert stale == []
