#include "tests/bench/core_peak.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>

#include "server/engine/precision.h"

namespace resnetd {
namespace {

// More chains than any core has instructions in flight: 2 a cycle for 4 to 5
// cycles.
constexpr int kChains = 12;
constexpr int kSteps = 100'000;

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         1e-9 * static_cast<double>(time.tv_nsec);
}

// Keeps a register from being thought constant or unused.
#define RESNETD_KEEP(value) asm volatile("" : "+v"(value))

__attribute__((target("avx512f"))) void RunFloat512() {
  __m512 a = _mm512_set1_ps(1e-3F);
  __m512 sums[kChains];
  for (__m512& sum : sums) {
    sum = _mm512_setzero_ps();
  }
  for (int step = 0; step < kSteps; ++step) {
    RESNETD_KEEP(a);
#pragma GCC unroll 12
    for (__m512& sum : sums) {
      sum = _mm512_fmadd_ps(a, a, sum);
    }
  }
  for (__m512& sum : sums) {
    RESNETD_KEEP(sum);
  }
}

__attribute__((target("avx2,fma"))) void RunFloat256() {
  __m256 a = _mm256_set1_ps(1e-3F);
  __m256 sums[kChains];
  for (__m256& sum : sums) {
    sum = _mm256_setzero_ps();
  }
  for (int step = 0; step < kSteps; ++step) {
    asm volatile("" : "+x"(a));
#pragma GCC unroll 12
    for (__m256& sum : sums) {
      sum = _mm256_fmadd_ps(a, a, sum);
    }
  }
  for (__m256& sum : sums) {
    asm volatile("" : "+x"(sum));
  }
}

__attribute__((target("avx512f,avx512bf16"))) void RunBfloat512() {
  auto a = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3C00));
  __m512 sums[kChains];
  for (__m512& sum : sums) {
    sum = _mm512_setzero_ps();
  }
  for (int step = 0; step < kSteps; ++step) {
    RESNETD_KEEP(a);
#pragma GCC unroll 12
    for (__m512& sum : sums) {
      sum = _mm512_dpbf16_ps(sum, a, a);
    }
  }
  for (__m512& sum : sums) {
    RESNETD_KEEP(sum);
  }
}

__attribute__((target("avx512f,avx512vnni"))) void RunBytes512() {
  __m512i a = _mm512_set1_epi8(1);
  __m512i sums[kChains];
  for (__m512i& sum : sums) {
    sum = _mm512_setzero_si512();
  }
  for (int step = 0; step < kSteps; ++step) {
    RESNETD_KEEP(a);
#pragma GCC unroll 12
    for (__m512i& sum : sums) {
      sum = _mm512_dpbusd_epi32(sum, a, a);
    }
  }
  for (__m512i& sum : sums) {
    RESNETD_KEEP(sum);
  }
}

// Without dot products of bytes: pairs to 16 bits, pairs of those to 32, added
// up. What a convolution of bytes does on such machines.
__attribute__((target("avx2"))) void RunBytes256() {
  __m256i a = _mm256_set1_epi8(1);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kChains];
  for (__m256i& sum : sums) {
    sum = _mm256_setzero_si256();
  }
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (__m256i& sum : sums) {
      asm volatile("" : "+x"(a));
      sum = _mm256_add_epi32(
          sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, a), ones));
    }
  }
  for (__m256i& sum : sums) {
    asm volatile("" : "+x"(sum));
  }
}

#undef RESNETD_KEEP

struct Loop {
  void (*run)() = nullptr;
  // Of one step of one chain.
  double operations = 0;
};

Loop LoopOf(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      if (__builtin_cpu_supports("avx512f")) {
        return {RunFloat512, 2 * 16};
      }
      if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return {RunFloat256, 2 * 8};
      }
      return {};
    case Precision::kBfloat16:
      return __builtin_cpu_supports("avx512bf16") ? Loop{RunBfloat512, 2 * 32}
                                                  : Loop{};
    case Precision::kInt8:
      if (__builtin_cpu_supports("avx512vnni")) {
        return {RunBytes512, 2 * 64};
      }
      return __builtin_cpu_supports("avx2") ? Loop{RunBytes256, 2 * 32}
                                            : Loop{};
  }
  return {};
}

}  // namespace

double CorePeak(Precision precision, int rounds) {
  const Loop loop = LoopOf(precision);
  if (loop.run == nullptr) {
    return 0;
  }
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    const double start = CpuSeconds();
    int runs = 0;
    double taken = 0;
    while (taken < 0.005) {
      loop.run();
      ++runs;
      taken = CpuSeconds() - start;
    }
    best = std::max(best, loop.operations * kChains * kSteps * runs / taken);
  }
  return best;
}

}  // namespace resnetd
