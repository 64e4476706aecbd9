"""Write the image's bill of materials, CycloneDX: `sbom.py PYTHON OUT`, the packages of PYTHON and of Debian.

Runs in the build with cyclonedx-bom, which lists what is *installed*, so that a test can hold it against the lock.
"""

import json
import platform
import subprocess
import sys
from pathlib import Path

from packageurl import PackageURL

DPKG_STATUS = Path("/var/lib/dpkg/status")


def bill(python: str) -> dict[str, object]:
    """Return the bill of `python`'s environment with the base's packages added."""
    command = [sys.executable, "-I", "-m", "cyclonedx_py", "environment", "--output-reproducible", "--no-validate"]
    listed = subprocess.run([*command, python], check=True, capture_output=True)  # noqa: S603
    document = json.loads(listed.stdout)
    version = platform.python_version()
    interpreter = {
        "type": "application",
        "bom-ref": "cpython",
        "name": "cpython",
        "version": version,
        "cpe": f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
    }
    document["components"] += [interpreter, *debian_packages()]
    return document


def debian_packages() -> list[dict[str, str]]:
    """Return what dpkg knows as installed; nothing where the base is not Debian's."""
    text = DPKG_STATUS.read_text() if DPKG_STATUS.exists() else ""
    found = []
    for paragraph in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed"):
            name, version, arch = fields["Package"], fields["Version"], fields["Architecture"]
            purl = PackageURL("deb", "debian", name, version, {"arch": arch}).to_string()
            found.append({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
    return sorted(found, key=lambda component: component["purl"])


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(bill(sys.argv[1]), indent=1, sort_keys=True) + "\n")
