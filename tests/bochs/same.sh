#!/busybox sh
# SPDX-License-Identifier: MIT
# same PROGRAM...: whether it says the same on the scalar kernels and on those of AVX-512. For hashes: a fused
# multiplication of Bochs 2.7 loses small results of a cancellation, fma(-0x1.0c9f7ap+6, 0x1.71547652b82fep+0,
# 0x1.838a7f565695fp+6) among them, so that softcap has other bits there than on processors, on either kernels.
for isa in scalar avx512; do
    XENT_ISA=$isa "$@" >/tmp/$isa 2>&1
    echo "exit status $?" >>/tmp/$isa
    sed "s/$isa/ISA/" /tmp/$isa >/tmp/$isa.said
done
cat /tmp/avx512
cmp /tmp/scalar.said /tmp/avx512.said || {
    diff /tmp/scalar.said /tmp/avx512.said
    exit 1
}
