"""What a party's Job has used: signed by that party alone, and only in its own copy of the manifest.

How long an owner's worker computed, and in how much memory, tells of how many rows its own filters left. So the others
are not told. A party shows the record to whoever it bills, who can check the signature.
"""

from typing import Annotated

from pydantic import Field

from policy.document import Model

RESOURCES_PURPOSE = "resources"
MIB = 1 << 20
KIB = 1 << 10

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Usage(Model):
    """What some containers in a row have used, rounded: seconds to tenths, sizes up to whole units."""

    cpu_seconds: Seconds = 0.0
    wall_seconds: Seconds = 0.0
    peak_memory_mib: Count = 0  # resident, of the largest container
    disk_mib: Count = 0  # in the work directory when it held most, as seen when its data was deleted
    store_received_kib: Count = 0  # policies and data, as they lie in the stores
    peers_sent_kib: Count = 0
    peers_received_kib: Count = 0

    def then(self, later: "Usage") -> "Usage":
        """Return what both have used, one after the other.

        >>> Usage(cpu_seconds=0.1, disk_mib=3).then(Usage(cpu_seconds=0.2, disk_mib=2))
        Usage(cpu_seconds=0.3, wall_seconds=0.0, peak_memory_mib=0, disk_mib=3, store_received_kib=0, \
peers_sent_kib=0, peers_received_kib=0)
        """
        return Usage(
            cpu_seconds=round(self.cpu_seconds + later.cpu_seconds, 1),
            wall_seconds=round(self.wall_seconds + later.wall_seconds, 1),
            peak_memory_mib=max(self.peak_memory_mib, later.peak_memory_mib),
            disk_mib=max(self.disk_mib, later.disk_mib),
            store_received_kib=self.store_received_kib + later.store_received_kib,
            peers_sent_kib=self.peers_sent_kib + later.peers_sent_kib,
            peers_received_kib=self.peers_received_kib + later.peers_received_kib,
        )

    def __str__(self) -> str:
        return (
            f"{self.cpu_seconds:g} s CPU in {self.wall_seconds:g} s, {self.peak_memory_mib} MiB memory, "
            f"{self.disk_mib} MiB disk, {self.store_received_kib} KiB from stores, "
            f"{self.peers_sent_kib} KiB to peers, {self.peers_received_kib} KiB from peers"
        )


class Used(Model):
    """Everything that is signed."""

    party: str
    run_id: str
    run: str  # digest of the run spec that all share
    fetch_and_compute: Usage  # publish comes after the signature


class ResourceRecord(Used):
    """The manifest's annex."""

    signature: str

    @property
    def used(self) -> Used:
        """What the signature is over."""
        return Used(party=self.party, run_id=self.run_id, run=self.run, fetch_and_compute=self.fetch_and_compute)
