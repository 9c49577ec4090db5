"""Where an embedded database may lie: not where locks and shared memory do not work."""

from __future__ import annotations

from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")

REMOTE_FILE_SYSTEMS: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
    | {"fuse.ceph", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
)
"""Where locks and shared memory do not work as SQLite needs them: https://www.sqlite.org/wal.html"""


REFUSED_FILE_SYSTEMS: Final = frozenset(
    {"cifs", "nfs", "nfs4", "smb3", "smbfs", "fuse.gcsfuse", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
)
"""Those of them that are certainly on another computer; 9p, say, may be the disk of a virtual machine."""


def file_system_of(folder: Path, mounts: Path = MOUNTS) -> str:
    """Its type as in /proc/self/mountinfo, or "" where there is none: https://man7.org/linux/man-pages/man5/proc.5.html"""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    wanted, best, kind = folder.resolve(), -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = Path(fields[4].replace("\\040", " "))
        if (point == wanted or point in wanted.parents) and len(point.parts) >= best:  # the last one mounted counts
            best, kind = len(point.parts), after.split(" ")[0]
    return kind
