#!/usr/bin/env bash
# Make a base for the worker's image out of Debian's own packages, where no registry of images can be reached:
# base.sh FILE.tar [PACKAGE]..., with more packages than the worker needs. Needs root, mmdebstrap and the machine's Debian
# mirrors; takes a minute or two.
set -euo pipefail
file=$1
shift

packages=(
    base-files base-passwd ca-certificates coreutils dash debianutils diffutils dpkg findutils grep libc-bin libgcc-s1
    gzip libstdc++6 mawk perl-base python3 python3-venv sed tar tzdata "$@"
)
# `custom`: these and what they need, not everything that Debian calls essential. No documents, but the licences.
mmdebstrap --quiet --format=tar --variant=custom --include="$(IFS=,; echo "${packages[*]}")" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists "$1"/var/cache/* "$1"/var/log/*' \
    bookworm "$file"
