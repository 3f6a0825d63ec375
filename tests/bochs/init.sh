#!/busybox sh
# SPDX-License-Identifier: MIT
# The first process of the emulated machine: runs every line of /commands with AVX-512 and says how each ended.
/busybox mount -t proc proc /proc
/busybox mount -t devtmpfs devices /dev
/busybox mount -t tmpfs scratch /tmp
/busybox --install -s /bin
# LD_BIND_NOW: a lazy binder uses XSAVEC, which leaves what Bochs 2.7 then refuses to load.
export PATH=/programs:/bin XENT_ISA=avx512 LD_BIND_NOW=1
cd /programs
mkfifo /tmp/said
while read -r command; do
    echo "## begin $command"
    before=$(ticks)
    cat /tmp/said & # a pipe, so that programs do not take the serial port for a terminal
    sh -c "$command" </dev/null >/tmp/said 2>&1
    status=$?
    wait
    echo "## end $status $(($(ticks) - before))"
done </commands
echo "## done"
sleep 0.1 # until the serial port has sent it
reboot -f
