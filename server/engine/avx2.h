#pragma once

// For functions of files that every processor may load: nothing else in them is
// compiled for AVX2 and fused multiply-adds, no inline function of a header
// above all, of which the linker keeps one copy for everybody.
#define RESNETD_AVX2 __attribute__((target("avx2,fma")))
#define RESNETD_AVX2_INLINE \
  __attribute__((target("avx2,fma"), always_inline)) inline
