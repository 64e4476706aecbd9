#!/usr/bin/env bash
# Build the worker's image into build/image/: the image as an OCI archive, its bill of materials, its digest.
#
#   image/build.sh [BASE]      BASE: an image to start from (see Containerfile), or `local` to make one from Debian's
#                              packages (image/base.sh); default: the Containerfile's own
#
#   image/build.sh --check [BASE]      build all of it again, and fail unless the digest is the same
#   image/build.sh --cheetah [BASE]    the image with SPU, into build/image-cheetah/; after --check if that is wanted
#
# Needs buildah; root, or what rootless buildah needs. The same base, locks and sources make the same digest.
set -euo pipefail
cd "$(dirname "$0")/.."

check=""
if [ "${1:-}" = --check ]; then
    check=yes
    shift
fi
name=ccd-worker target=() more=() out=${CCD_IMAGE_OUT:-build/image}
if [ "${1:-}" = --cheetah ]; then
    name=ccd-worker-cheetah target=(--target cheetah) out=${CCD_CHEETAH_IMAGE_OUT:-build/image-cheetah}
    more=(libgomp1)  # which SPU's wheel expects on the system
    shift
fi
base=${1:-}
cache=${CCD_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ccd-image}
command -v buildah >/dev/null || { echo "building the image needs buildah: https://buildah.io (apt install buildah)" >&2; exit 1; }
mkdir -p "$out" "$cache"

# A storage of its own: nothing of the user's images is touched.
buildah() { command buildah --root "$cache/storage" --runroot "$cache/run" "$@"; }

if [ "$base" = local ]; then
    # Made once for each wording of its recipe; remove the file to follow Debian's updates.
    made="$cache/base-$(sha256sum image/base.sh | cut -c1-16)${more:+-${more[*]}}.tar"
    if [ ! -e "$made" ]; then
        echo "making a base from Debian's packages (once; a minute or two)"
        image/base.sh "$made.part" "${more[@]}"
        mv "$made.part" "$made"
    fi
    made_name="localhost/ccd-base:$(sha256sum "$made" | cut -c1-16)"
    if ! buildah inspect --type image "$made_name" >/dev/null 2>&1; then
        from=$(buildah from scratch)
        buildah add --quiet "$from" "$made" / >/dev/null
        buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$from"
        buildah commit --quiet --timestamp 0 "$from" "$made_name" >/dev/null
        buildah rm "$from" >/dev/null
    fi
    base=$made_name
fi

# What an interrupted build has left, and what the last one was made of, but for the image and its base.
tidy() { buildah rm --all >/dev/null && buildah rmi --prune --force >/dev/null; }
tidy

# The newest commit that touched what goes in: a change elsewhere makes no other image.
inputs=(Containerfile LICENSE README.md conclave image policy pyproject.toml worker)
revision=$(git log -1 --format=%H -- "${inputs[@]}" 2>/dev/null || true)
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct -- "${inputs[@]}" 2>/dev/null || true)}
if [ -n "$(git status --porcelain -- "${inputs[@]}" 2>/dev/null)" ]; then
    revision="$revision+changes"
fi

# How this machine's pip finds packages, for the build alone.
private=$(mktemp -d)
trap 'rm -rf "$private"; tidy' EXIT
bundle=$(pip_cert=${PIP_CERT:-$(python3 -m pip config get global.cert 2>/dev/null || true)}; echo "${pip_cert:-/dev/null}")
cat "$bundle" >"$private/ca"
{
    echo "[global]"
    [ ! -s "$private/ca" ] || echo "cert = /run/secrets/ca"
    for option in index-url extra-index-url proxy timeout; do
        value=$(python3 -m pip config get "global.$option" 2>/dev/null || true)
        [ -z "$value" ] || echo "$option = $value"
    done
} >"$private/pip"

# Always from the beginning: kept layers are found by a step's words, not by what it mounts from another stage.
buildah build --quiet --no-cache --layers=false --isolation "${BUILDAH_ISOLATION:-chroot}" \
    --identity-label=false \
    ${base:+--build-arg "BASE=$base"} --build-arg "REVISION=$revision" --build-arg "SOURCE=${CCD_IMAGE_SOURCE:-}" \
    --timestamp "${epoch:-0}" --secret "id=pip,src=$private/pip" --secret "id=ca,src=$private/ca" \
    --ignorefile .containerignore --format oci "${target[@]}" --tag "localhost/$name" . >/dev/null
if [ -n "$check" ]; then
    buildah push --quiet --digestfile "$private/digest" "localhost/$name" "oci-archive:$private/again.tar"
    if ! cmp --silent "$private/digest" "$out/digest"; then
        echo "built again, the image is another one: $(cat "$private/digest"), before $(cat "$out/digest")" >&2
        exit 1
    fi
    echo "built again, byte by byte the same: $(cat "$out/digest")"
    exit 0
fi
archive="$out/$name.oci.tar"
rm -f "$archive"
buildah push --quiet --digestfile "$out/digest" "localhost/$name" "oci-archive:$archive:localhost/$name:latest"

from=$(buildah from "localhost/$name")
root=$(buildah mount "$from")
for bill in "$root"/usr/share/sbom/*.json; do
    cp "$bill" "$out/sbom${bill#"$root/usr/share/sbom/ccd-worker"}"
done
unpacked=$(du -sm --apparent-size "$root" | cut -f1)
buildah rm "$from" >/dev/null
echo "$archive: $(($(stat -c %s "$archive") / 1000000)) MB packed, $unpacked MiB unpacked, $(cat "$out/digest")"
