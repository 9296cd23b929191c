#!/bin/sh
# Finds what this machine lacks for `make setup` and installs it, or says the exact command.
#
# Wanted: a python3 of 3.11 or newer whose venv works (Debian splits ensurepip off), a C compiler with the C
# library's headers (the board's core is compiled), and a CJK font (the Chinese PDF report).
# With the word "test" also other people's programs that the tests run against ours: mbpoll (a Modbus client), lxi (an
# instrument client) and socat (pairs of ptys), and what the board's firmware is compiled, emulated and examined with.
# When nothing is missing nothing is called and no network is needed. As root the missing packages are installed
# with apt-get; otherwise the command is printed and the exit code is 2.
set -eu

python=${PYTHON:-python3}
missing=

need() { missing="$missing $1"; }

if ! command -v "$python" >/dev/null 2>&1; then
    need python3
    need python3-venv
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "packbench needs Python 3.11 or newer; $python is $("$python" -V 2>&1)." >&2
    echo "Name another one:  make setup PYTHON=/path/to/python3.11" >&2
    exit 2
elif ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    need python3-venv
fi

# One program proves compiler and headers together; a compiler without libc6-dev fails on stdint.h.
if ! echo '#include <stdint.h>
#include <math.h>
int main(void) { return (int)sizeof(int32_t) - 4; }' | ${CC:-cc} -std=c11 -x c -o /dev/null - >/dev/null 2>&1; then
    need gcc
    need libc6-dev
fi

# The same files as src/packbench/report/fonts.py looks for.
cjk_font() {
    for folder in /usr/share/fonts /usr/local/share/fonts "${HOME:-/nonexistent}/.fonts" \
        "${HOME:-/nonexistent}/.local/share/fonts"; do
        [ -d "$folder" ] || continue
        [ -z "$(find "$folder" \( -name NotoSansCJK-Regular.ttc -o -name NotoSansCJKsc-Regular.otf \
            -o -name NotoSansSC-Regular.otf -o -name NotoSansSC-Regular.ttf \
            -o -name SourceHanSansSC-Regular.otf -o -name SourceHanSansCN-Regular.otf \) \
            -print 2>/dev/null | head -n 1)" ] || return 0
    done
    return 1
}
cjk_font || need fonts-noto-cjk

if [ "${1:-}" = test ]; then
    command -v mbpoll >/dev/null 2>&1 || need mbpoll
    command -v lxi >/dev/null 2>&1 || need lxi-tools
    command -v socat >/dev/null 2>&1 || need socat
    command -v qemu-system-arm >/dev/null 2>&1 || need qemu-system-arm
    for tool in clang-19:clang-19 ld.lld-19:lld-19 llvm-size-19:llvm-19 clang-tidy-19:clang-tidy-19 cppcheck:cppcheck; do
        command -v "${tool%%:*}" >/dev/null 2>&1 || need "${tool##*:}"
    done
    [ -n "$(find /usr/lib/llvm-19/lib/clang -name 'libclang_rt.fuzzer*' -print 2>/dev/null | head -n 1)" ] ||
        need libclang-rt-19-dev
fi

[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "missing on this system (Debian names):$missing" >&2
    echo "Install them with your package manager, then run make again." >&2
    exit 2
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "missing on this system. Run this, then make again:" >&2
    echo "    sudo apt-get update && sudo apt-get install --no-install-recommends$missing" >&2
    exit 2
fi
echo "installing system packages:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086  # a list of package names, split on purpose
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "could not install:$missing" >&2
    exit 1
fi
rm -f "$log"
