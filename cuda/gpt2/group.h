// A group works on one row together: one thread on the host, a warp or a block on the device. The mathematics in
// rows.h is written against it once; each member takes the elements rank(), rank() + size(), .. of the row.
#pragma once

#ifdef __CUDACC__
#define STROBE_FUNCTION __device__ __forceinline__
// Several loads of a long sum under way at once; their order stays.
#define STROBE_UNROLL _Pragma("unroll 8")
#else
#define STROBE_FUNCTION inline
#define STROBE_UNROLL
#endif

#include <cmath>

namespace strobe {

#ifdef __CUDACC__

struct Warp {
  __device__ int rank() const { return static_cast<int>(threadIdx.x & 31); }
  __device__ int size() const { return 32; }
  template <class Real>
  __device__ Real sum(Real value) const {
    for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
    return value;
  }
  template <class Real>
  __device__ Real max(Real value) const {
    for (int offset = 16; offset > 0; offset /= 2) {
      const Real other = __shfl_xor_sync(0xffffffffu, value, offset);
      value = other > value ? other : value;
    }
    return value;
  }
};

// All threads of a block of at most 1,024, a multiple of 32.
struct Block {
  __device__ int rank() const { return static_cast<int>(threadIdx.x); }
  __device__ int size() const { return static_cast<int>(blockDim.x); }
  template <class Real>
  __device__ Real sum(Real value) const {
    return across(Warp{}.sum(value), Real(0), [](Real a) { return Warp{}.sum(a); });
  }
  template <class Real>
  __device__ Real max(Real value) const {
    return across(Warp{}.max(value), Real(-INFINITY), [](Real a) { return Warp{}.max(a); });
  }

 private:
  template <class Real, class Reduce>
  __device__ Real across(Real value, Real neutral, Reduce reduce) const {
    __shared__ Real parts[32];
    const int warp = rank() / 32, lane = rank() % 32;
    __syncthreads();
    if (lane == 0) parts[warp] = value;
    __syncthreads();
    return reduce(lane < size() / 32 ? parts[lane] : neutral);
  }
};

#else

struct Alone {
  int rank() const { return 0; }
  int size() const { return 1; }
  template <class Real>
  Real sum(Real value) const {
    return value;
  }
  template <class Real>
  Real max(Real value) const {
    return value;
  }
};

#endif

}  // namespace strobe
