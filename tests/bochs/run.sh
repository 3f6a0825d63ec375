#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh FOLDER COMMAND...: boots an emulated processor that has AVX-512 (Bochs, with Debian's kernel) and runs every
# command there, a line for sh with the programs of FOLDER at hand and XENT_ISA=avx512. Prints what they say, their exit
# statuses and how many instructions each took; fails unless all of them end with 0.
#
# The shell is busybox', whose own commands come before programs of the same name (tr, groups).
# For F16 to be right, the programs must come from a build with -I tests/bochs/include (see there).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 2 ]; then
    echo "usage: $0 FOLDER COMMAND...   say, $0 build/test/avx512/tests 'XENT_CASES=100 test_differential'" >&2
    exit 64
fi
seconds=14400 # of processor time, after which something hangs
folder=$(cd "$1" && pwd)
shift

out=$here/../../build/bochs
mkdir -p "$out"
out=$(cd "$out" && pwd)
own=$(mktemp -d "$out/run.XXXXXX")
bochs=
finish() {
    [ -z "$bochs" ] || kill -9 "$bochs" 2>/dev/null || true
    rm -rf "$own"
}
trap finish EXIT

# kernel: prints where the kernel lies: XENT_KERNEL, or else Debian's smallest, downloaded and kept here, not installed.
kernel() {
    local name
    if [ -n "${XENT_KERNEL:-}" ]; then
        echo "$XENT_KERNEL"
        return
    fi
    if [ ! -e "$out/linux" ]; then
        name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
        (cd "$own" && apt-get -qq -o APT::Sandbox::User=root download "${name:-linux-image-cloud-amd64}" >&2 &&
            dpkg-deb -x linux-image-*.deb kernel && mv kernel/boot/vmlinuz-* "$out/linux") || {
            echo "There is no Debian kernel to be had by apt-get download: please name the file of a Linux kernel for" \
                "x86-64 with serial console and memory disk built in, as in XENT_KERNEL=/boot/vmlinuz $0 ..." >&2
            exit 69
        }
    fi
    echo "$out/linux"
}

# named COMMAND...: the programs of the folder whose names are among the words of the commands.
named() {
    local words name
    read -r -d '' -a words <<<"$*" || true
    for name in $(printf '%s\n' "${words[@]}" | sort -u); do
        if [ -f "$folder/$name" ] && [ -x "$folder/$name" ]; then
            echo "$folder/$name"
        fi
    done
}

# memory_disk COMMAND...: the guest's files, programs with the libraries that they need.
memory_disk() {
    local root=$own/root programs library
    mkdir -p "$root"/{bin,dev,proc,tmp,programs}
    cp /bin/busybox "$root/busybox"
    install "$here/init.sh" "$root/init"
    install "$here/same.sh" "$root/bin/same"
    printf '%s\n' "$@" >"$root/commands"
    mapfile -t programs < <(named ticks "$@")
    cp "${programs[@]}" "$root/programs"
    ldd "${programs[@]}" | sed -n 's/.*[[:space:]]\(\/[^ :]*\) (0x.*/\1/p' | sort -u | while read -r library; do
        install -D "$library" "$root$library"
    done
    (cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet)
}

# Less of the kernel's own work, and what makes it take Bochs' XSAVE, whose compacted form is smaller than it expects.
settings="console=ttyS0,115200 loglevel=3 reboot=t panic=-1 mitigations=off clearcpuid=xsaves,xsavec acpi=off idle=halt
    audit=0 apparmor=0 lsm= edd=off nowatchdog ipv6.disable=1 cryptomgr.notests
    initcall_blacklist=trace_eval_init,load_system_certificate_list"

image() {
    local disc=$own/disc linux
    linux=$(kernel)
    mkdir -p "$disc/isolinux"
    cp "$linux" "$disc/linux"
    memory_disk "$@" >"$disc/files"
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$disc/isolinux"
    printf 'default linux\nprompt 0\nlabel linux\nkernel /linux\ninitrd /files\nappend %s\n' \
        "$(echo $settings)" >"$disc/isolinux/isolinux.cfg"
    xorriso -as mkisofs -quiet -o "$own/image" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
        -boot-load-size 4 -boot-info-table "$disc" 2>"$own/xorriso.log" || { cat "$own/xorriso.log" >&2 && false; }
}

configuration() {
    cat <<END
config_interface: textconfig
display_library: term
cpu: model=corei7_skylake_x, ips=1000000000, reset_on_triple_fault=0
memory: guest=1024, host=1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0-master: type=cdrom, path=$own/image, status=inserted
boot: cdrom
clock: sync=none
com1: enabled=1, mode=file, dev=$own/serial
speaker: enabled=0
mouse: enabled=0
vga: update_freq=1
log: $own/bochs.log
error: action=ignore
panic: action=fatal
END
}

# The screen is a terminal of its own, which must be read lest Bochs waits for it.
emulate() {
    local screen
    configuration >"$own/bochsrc"
    echo continue >"$own/begin"
    touch "$own/serial"
    TERM=xterm prlimit --cpu=$seconds bochs-bin -q -f "$own/bochsrc" -rc "$own/begin" \
        </dev/null >"$own/debugger" 2>"$own/errors" &
    bochs=$!
    tail --pid=$bochs -f -n +1 "$own/serial" | sed -u 's/\r$//' &
    printer=$!
    until screen=$(sed -n 's/.*connected to screen "\(.*\)"/\1/p' "$own/errors") && [ -n "$screen" ]; do
        kill -0 $bochs 2>/dev/null || return
        sleep 0.1
    done
    cat "$screen" >/dev/null 2>&1 &
    wait $bochs $printer || true
}

"$here/../../scripts/need.sh" emulate >&2
image "$@"
emulate
sed 's/\r$//' "$own/serial" >"$own/said"
if ! grep -qx '## done' "$own/said"; then
    tail -n 5 "$own/errors" "$own/bochs.log" >&2
    echo "The emulated machine stopped before its commands had ended." >&2
    exit 70
fi
[ "$(grep -c '## end 0 [0-9]*$' "$own/said")" = $# ]
