#!/usr/bin/env bash
# The core's tests on AArch64 with NEON, under qemu's emulation: for machines that are x86-64.
#
#     tests/neon.sh                # cargo test of lstm-core
#     tests/neon.sh COMMAND ...    # another command in the same environment
#     tests/neon.sh --or-skip ...  # where something is missing: says so and succeeds
#
# It needs three things, and takes of each the simplest that is there:
#   a standard library of Rust for AArch64: this compiler's own, or rustup's, or Debian's `rustc-web`, unpacked below target/
#   a linker:                               aarch64-linux-gnu-gcc, else (as root) installed from Debian or Ubuntu
#   an emulator:                            qemu-aarch64, else as the linker
# NEON_RUST=debian skips the first two of the first.
set -euo pipefail
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-gnu
folder=$(realpath -m "${CARGO_TARGET_DIR:-target}")/neon
skipped=1
if [[ ${1:-} == --or-skip ]]; then
    skipped=0
    shift
fi

missing() {
    echo "NEON tests not run: $*" >&2
    exit "$skipped"
}

if [[ $(uname -m) == aarch64 ]]; then
    echo "This machine is AArch64 itself: \`make test\` has tested NEON."
    exit 0
fi
[[ $(uname -s) == Linux ]] || missing "qemu's user emulation needs Linux"
command -v cargo >/dev/null || missing "no cargo"

has_std() { compgen -G "$("$1" --print target-libdir --target $target 2>/dev/null)/libstd-*.rlib" >/dev/null; }

# Debian's compiler, as it is in the archive: no package is installed, apt keeps its lists in a folder of its own.
debian_rust() {
    local root=$folder/debian
    export RUSTC=$root/rustc
    if [[ -x $RUSTC ]] && has_std "$RUSTC"; then return; fi
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    rm -rf "$root"
    mkdir -p "$root"/{lists/partial,archives/partial,debs}
    local apt=(-q -o "Dir::State::Lists=$root/lists" -o "Dir::Cache=$root" -o "Dir::Cache::archives=$root/archives"
        -o "APT::Architectures::=$(dpkg --print-architecture)" -o APT::Architectures::=arm64 -o APT::Sandbox::User=root)
    # A source that does not answer is no error: what counts is whether the packages are found.
    apt-get "${apt[@]}" update >"$root/apt.log" 2>&1 || true
    depends() { # PACKAGE PATTERN: the first dependency that fits, of the newest version
        apt-cache "${apt[@]}" show --no-all-versions "$1" 2>/dev/null | sed -n 's/^Depends: //p' | grep -oE "$2" | head -n 1
    }
    local std llvm
    std=$(depends libstd-rust-web-dev 'libstd-rust-web-[0-9.]+') || return 1
    llvm=$(depends "$std" 'libllvm[0-9]+') || return 1
    (cd "$root/debs" && apt-get "${apt[@]}" download rustc-web libstd-rust-web-dev libstd-rust-web-dev:arm64 "$std" "$llvm") \
        >>"$root/apt.log" 2>&1 || return 1
    for package in "$root"/debs/*.deb; do
        dpkg -x "$package" "$root"
    done
    rm -r "$root"/{debs,lists,archives}
    local libraries
    libraries=$(dirname "$(find "$root/usr/lib" -name 'librustc_driver-*.so')")
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "'$libraries'" "'$root/usr/bin/rustc'" >"$RUSTC"
    chmod +x "$RUSTC"
    has_std "$RUSTC"
}

if [[ ${NEON_RUST:-} != debian ]] && has_std rustc; then
    from="this compiler's own"
elif [[ ${NEON_RUST:-} != debian ]] && command -v rustup >/dev/null && timeout 300 rustup target add $target; then
    from="rustup's"
elif debian_rust; then
    from="Debian's"
else
    missing "no standard library of Rust for $target: neither rustc's, nor rustup's, nor rustc-web in a Debian archive" \
        "(apt's words are in $folder/debian/apt.log)"
fi

packages=()
command -v aarch64-linux-gnu-gcc >/dev/null || packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
command -v qemu-aarch64 >/dev/null || packages+=(qemu-user)
if ((${#packages[@]})); then
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || missing "install ${packages[*]}, or run this as root on Debian or Ubuntu"
    { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${packages[@]}"; } ||
        missing "apt-get could not install ${packages[*]}"
fi

export CARGO_TARGET_DIR=$folder
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
echo "NEON under $(qemu-aarch64 --version | head -n 1), standard library: $from, $("${RUSTC:-rustc}" --version)"
if (($#)); then
    exec "$@"
fi
# A child that was forked beside other threads and starts threads itself ends qemu 7.2 with a failed assertion of its own.
exec cargo test --package lstm-core --target $target -- --skip a_forked_child_makes_its_own_threads
