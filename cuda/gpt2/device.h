// Where a model lives and computes. Two devices have the same members: a CUDA device under nvcc, and the host under
// any other compiler, which is how the trainer is tested where there is no GPU.
//
//   allocate, release, upload, download, zero         memory; sizes in bytes
//   allocated, free_bytes                             how much is taken, and left (0: not known)
//   elements(n, f)                                    f(i)
//   cells(rows, columns, f)                           f(row, column)
//   rows(n, f), wide_rows(n, f)                       f(group, row): a warp, or a block, works on each row
//   column_sums(out, rows, columns, scale, add, f)    out[column] (+)= scale * sum over rows of f(row, column)
//   sum(n, f)                                         the sum of the doubles f(i), on the host; waits for the device
//   norms(out, values, n, runs)                       out[run] = the L2 norm of n values, summed in float64
//   matmul, batched_matmul                            see MatrixProduct
//
// Every sum has one fixed order, so that the same program gives the same bits again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "failure.h"

namespace strobe {

// C (M, N) = alpha * op(A) (M, K) op(B) (K, N) + beta * C, all row-major; op transposes where told. ld is the
// distance between rows.
struct MatrixProduct {
  int M, N, K;
  bool transpose_a, transpose_b;
  int lda, ldb, ldc;
  float alpha, beta;
};

struct DeviceFacts {
  std::string name;
  double peak_flops = 0;  // float32, without tensor cores; 0: unknown
};

}  // namespace strobe

#ifdef __CUDACC__
#include "device_cuda.h"
#else
#include "device_host.h"
#endif

namespace strobe {

// An owner of device memory.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(Device& device, std::size_t count) : device_(&device), count_(count) {
    if (count) data_ = static_cast<T*>(device.allocate(count * sizeof(T)));
  }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() {
    if (data_) device_->release(data_, count_ * sizeof(T));
  }
  T* data() const { return data_; }
  std::size_t size() const { return count_; }
  std::size_t bytes() const { return count_ * sizeof(T); }
  void zero() {
    if (count_) device_->zero(data_, bytes());
  }
  void upload(const std::vector<T>& from) { device_->upload(data_, from.data(), checked(from.size()) * sizeof(T)); }
  std::vector<T> download() const {
    std::vector<T> out(count_);
    if (count_) device_->download(out.data(), data_, bytes());
    return out;
  }

 private:
  std::size_t checked(std::size_t count) const {
    if (count > count_) throw Failure("a buffer of " + std::to_string(count_) + " got " + std::to_string(count));
    return count;
  }
  void swap(Buffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
  }

  Device* device_ = nullptr;
  T* data_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace strobe
