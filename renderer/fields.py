"""The kinds of text that documents are made of, each with the rule Kubernetes or Swift will hold it to later.

A rule broken here is reported with file and line; broken there, it is a failed sync in somebody's cluster.
"""

import ipaddress
import re
import unicodedata
import urllib.parse
from typing import Annotated

import pyrage
from pydantic import AfterValidator, BeforeValidator, Field

from policy.problem import RuleBroken
from worker.runspec import SPARK_ENDPOINT, SPARK_PATH, STORE_ACCOUNT

_HOST = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?|[0-9a-f:.]+")
LABEL = r"[a-z]([-a-z0-9]*[a-z0-9])?"  # RFC 1035: what a Service's name must be
LABEL_RULE = "lower-case letters, digits and '-', a letter first and no '-' last"
A_LABEL = f"a DNS label: {LABEL_RULE}"


def _plain(text: str) -> str:
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t":
            raise RuleBroken(f"holds U+{ord(character):04X}, a control character", "leave it out")
    return text


def _one_line(text: str) -> str:
    if "\n" in text:
        raise RuleBroken("must be one line")
    return _plain(text)


def _volume_path(text: str) -> str:
    if any(part in ("", ".", "..") for part in text.split("/")):
        raise RuleBroken("is no path within a volume", "name the file from the volume's top, as 2024/visits.csv")
    return _one_line(text)


def _spark_path(text: str) -> str:
    if any(part in (".", "..") for part in text.split("/")):
        raise RuleBroken("leads out of its directory", "name the place itself, as s3a://lake/flights")
    return text


def _site(text: str) -> str:
    parts = urllib.parse.urlsplit(text)
    fix = "write it as https://data.example.org, or with a port; http:// is for this machine alone"
    try:
        is_site = bool(parts.hostname) and (parts.port or 1) > 0 and text == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        is_site = False
    if not is_site or "@" in parts.netloc or _HOST.fullmatch(parts.hostname or "") is None:
        raise RuleBroken("is not the address of a web site", fix)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise RuleBroken("is not https", fix)
    return text


def is_loopback(host: str) -> bool:
    """Whether a host's name, or address, is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _age_recipient(text: str) -> str:
    try:
        pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise RuleBroken("is no age recipient", "write the public key that age-keygen printed: age1…") from None
    return text


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=True))
    except ValueError:
        raise RuleBroken("is not an IP network", "write it as 192.0.2.0/24, its host bits zero") from None


def _number_as_text(value: object) -> object:
    # `cpu: 2` and `cpu: 0.5` are numbers in YAML and quantities in Kubernetes.
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


WorkflowName = Annotated[str, Field(pattern=f"^{LABEL}$", max_length=30, description=A_LABEL)]
PartyName = Annotated[str, Field(pattern=f"^{LABEL}$", max_length=20, description=A_LABEL)]
Namespace = Annotated[
    str, Field(pattern=f"^{LABEL}$", max_length=63, description=f"a Kubernetes namespace: {LABEL_RULE}")
]
SecretName = Annotated[
    str,
    Field(pattern=f"^{LABEL}$", max_length=56, description="the name of a Secret in the party's namespace"),
]
DatasetName = Annotated[str, Field(pattern=f"^{LABEL}$", max_length=63, description=A_LABEL)]
DatasetReference = Annotated[
    str,
    Field(pattern=f"^{LABEL}/{LABEL}$", max_length=84, description="party/dataset", examples=["alpha/visits"]),
]
TableName = Annotated[
    str,
    Field(
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        max_length=63,
        description="a SQL name: letters, digits and '_', no digit first",
    ),
]
ColumnReference = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*\.[^\n]+$",
        max_length=191,
        description="table.column",
        examples=["visits.patient"],
    ),
]
LabelValue = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        max_length=63,
        description="a Kubernetes label's value: letters, digits, '-', '_' and '.'",
    ),
]
LabelKey = Annotated[
    str,
    Field(
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
        max_length=253,
        description="a Kubernetes label's key: [domain/]name",
    ),
]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
MaybeEmptyLine = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Text = Annotated[str, Field(min_length=1, max_length=65536), AfterValidator(_plain)]
ContainerName = Annotated[
    str, Field(pattern="^[^/]+$", max_length=256, description="a Swift container"), AfterValidator(_one_line)
]
ObjectName = Annotated[
    str, Field(min_length=1, max_length=1024, description="a Swift object"), AfterValidator(_one_line)
]
Site = Annotated[
    str,
    Field(pattern="^https?://", max_length=260, description="a web site", examples=["https://data.example.org"]),
    AfterValidator(_site),
]
PersistentId = Annotated[
    str,
    Field(
        pattern=r"^(doi:10\.[0-9]{4,9}|hdl:[A-Za-z0-9.]+)/[A-Za-z0-9._/-]+$",
        max_length=200,
        description="a DOI or a handle",
        examples=["doi:10.5072/FK2/ABCDEF", "hdl:1902.1/12345"],
    ),
]
DatasetVersion = Annotated[
    str,
    Field(
        pattern=r"^([1-9][0-9]{0,8}\.[0-9]{1,9}|:latest|:latest-published)$",
        description="a published version; the latest one only if that is said",
        examples=["1.0", ":latest"],
    ),
]
FileNumber = Annotated[int, Field(ge=1, lt=2**53)]
ClaimName = Annotated[
    str,
    Field(pattern=f"^{LABEL}$", max_length=56, description="a PersistentVolumeClaim in the party's namespace"),
]
VolumePath = Annotated[
    str,
    Field(min_length=1, max_length=1024, description="a file, from the volume's top", examples=["2024/visits.csv"]),
    AfterValidator(_volume_path),
]
Sign = Annotated[
    str,
    Field(pattern=r"^[\t -/:-@\[-`{-~]$", description="one sign: no letter, no digit, no line end"),
]
AgeRecipient = Annotated[
    str, Field(max_length=100, description="the public key of an age identity: age1…"), AfterValidator(_age_recipient)
]
StoreAccount = Annotated[
    str,
    Field(
        pattern=STORE_ACCOUNT,
        max_length=128,
        description="an account as Swift's access rules name it: PROJECT_ID:* or PROJECT_ID:USER_ID with Keystone",
        examples=["3f1b2c4d5e6f47a8b9c0d1e2f3a4b5c6:*"],
    ),
]
SparkEndpoint = Annotated[
    str,
    Field(
        pattern=SPARK_ENDPOINT,
        max_length=270,
        description="a Spark Connect server; spoken with over TLS, unless it is this machine's own",
        examples=["sc://spark.example.org:15002"],
    ),
]
SparkPath = Annotated[
    str,
    Field(
        pattern=SPARK_PATH,
        max_length=1024,
        description="a file, or a directory of files, as Spark reaches it",
        examples=["s3a://lake/flights"],
    ),
    AfterValidator(_spark_path),
]
Cidr = Annotated[str, Field(description="an IP network", examples=["192.0.2.0/24"]), AfterValidator(_cidr)]
Port = Annotated[int, Field(ge=1, le=65535)]
Cpu = Annotated[
    str,
    BeforeValidator(_number_as_text, json_schema_input_type=str | int | float),
    Field(
        pattern=r"^([1-9][0-9]*m|[0-9]+(\.[0-9]{1,3})?)$",
        description="cores, as a Kubernetes quantity",
        examples=["0.5", "2", "500m"],
    ),
]
Bytes = Annotated[
    str,
    BeforeValidator(_number_as_text, json_schema_input_type=str | int),
    Field(
        pattern=r"^[1-9][0-9]*(Ki|Mi|Gi|Ti)?$", description="bytes, as a Kubernetes quantity", examples=["512Mi", "2Gi"]
    ),
]
ImageByDigest = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$",
        max_length=512,
        description="name@sha256:<64 hex digits>: a tag could be moved to another image after the review",
    ),
]
SigningKey = Annotated[
    str,
    Field(
        pattern=r"^([0-9A-F]{40}|[0-9A-F]{16})$",
        description="an OpenPGP key's fingerprint, or its last 16 digits, in capitals and without spaces",
    ),
]
Url = Annotated[
    str,
    Field(
        pattern=r"^(https?|ssh|file)://[!-~]+$|^git@[!-~]+$",
        max_length=512,
        description="a Git repository's URL",
        examples=["https://git.example.org/airports/federation.git"],
    ),
]
HttpUrl = Annotated[
    str,
    Field(
        pattern=r"^https?://[!-~]+$",
        max_length=512,
        description="an API server's URL",
        examples=["https://kubernetes.default.svc"],
    ),
]
Revision = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=200, description="a Git branch", examples=["main"])
]

_UNITS = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}


def bytes_of(quantity: str) -> int:
    """Return a quantity of `Bytes` as a number.

    >>> bytes_of("512Mi"), bytes_of("1000")
    (536870912, 1000)
    """
    return int(quantity[:-2]) << _UNITS[quantity[-2:]] if quantity[-2:] in _UNITS else int(quantity)
