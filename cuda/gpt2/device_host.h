// The host as a device: plain loops over the same mathematics. Included by device.h.
#pragma once

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "group.h"

namespace strobe {

class Device {
 public:
  explicit Device(bool tf32) {
    if (tf32) throw Failure("--tf32 needs a CUDA device; this program was built for the host");
  }

  DeviceFacts facts() const { return {"host", 0}; }
  void* stream() const { return nullptr; }
  void wait() const {}
  std::size_t allocated() const { return allocated_; }
  // What the system could give without swapping.
  double free_bytes() const {
    std::ifstream facts("/proc/meminfo");
    for (std::string name, unit; facts >> name;) {
      double kibibytes = 0;
      if (name == "MemAvailable:" && facts >> kibibytes) return 1024 * kibibytes;
      std::getline(facts, unit);
    }
    return 0;
  }

  void* allocate(std::size_t bytes) {
    void* memory = std::calloc(1, bytes);
    if (!memory) throw Failure("out of memory: " + std::to_string(bytes) + " bytes more were asked for");
    allocated_ += bytes;
    return memory;
  }
  void release(void* memory, std::size_t bytes) {
    std::free(memory);
    allocated_ -= bytes;
  }
  void zero(void* memory, std::size_t bytes) { std::memset(memory, 0, bytes); }
  void upload(void* to, const void* from, std::size_t bytes) {
    if (bytes) std::memcpy(to, from, bytes);
  }
  void download(void* to, const void* from, std::size_t bytes) {
    if (bytes) std::memcpy(to, from, bytes);
  }

  template <class F>
  void elements(std::int64_t n, F f) {
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }
  template <class F>
  void cells(std::int64_t rows, int columns, F f) {
    for (std::int64_t row = 0; row < rows; ++row)
      for (int column = 0; column < columns; ++column) f(row, column);
  }
  template <class F>
  void rows(std::int64_t n, F f) {
    for (std::int64_t row = 0; row < n; ++row) f(Alone{}, row);
  }
  template <class F>
  void wide_rows(std::int64_t n, F f) {
    rows(n, f);
  }
  template <class F>
  void column_sums(float* out, std::int64_t rows, int columns, float scale, bool add, F f) {
    std::vector<double> sums(columns, 0.0);
    for (std::int64_t row = 0; row < rows; ++row)
      for (int column = 0; column < columns; ++column) sums[column] += f(row, column);
    for (int column = 0; column < columns; ++column)
      out[column] = static_cast<float>(sums[column] * scale) + (add ? out[column] : 0.0f);
  }
  template <class F>
  double sum(std::int64_t n, F f) {
    double total = 0;
    for (std::int64_t i = 0; i < n; ++i) total += f(i);
    return total;
  }

  void norms(float* out, const float* values, std::int64_t n, int runs) {
    for (int run = 0; run < runs; ++run)
      out[run] = static_cast<float>(std::sqrt(sum(n, [=](std::int64_t i) {
        const double value = values[run * n + i];
        return value * value;
      })));
  }

  void matmul(const MatrixProduct& p, const float* a, const float* b, float* c) {
    const float* plain = p.transpose_b ? turned(p, b) : b;
    const std::ptrdiff_t ldb = p.transpose_b ? p.N : p.ldb;
    int i = 0;
    for (; i + kTogether <= p.M; i += kTogether) some_rows<kTogether>(p, a, plain, ldb, c, i);
    for (; i < p.M; ++i) some_rows<1>(p, a, plain, ldb, c, i);
  }
  void batched_matmul(const MatrixProduct& p, const float* const* a, const float* const* b, float* const* c,
                      int count) {
    for (int i = 0; i < count; ++i) matmul(p, a[i], b[i], c[i]);
  }

 private:
  static constexpr int kTogether = 4;

  // `b` (N, K) as (K, N), so that the innermost loop runs along memory.
  const float* turned(const MatrixProduct& p, const float* b) {
    turned_.resize(std::size_t(p.K) * p.N);
    for (int j = 0; j < p.N; ++j)
      for (int k = 0; k < p.K; ++k) turned_[std::size_t(k) * p.N + j] = b[std::ptrdiff_t(j) * p.ldb + k];
    return turned_.data();
  }

  // `Count` rows of C at a time, so that each row of b is read once for all of them.
  template <int Count>
  void some_rows(const MatrixProduct& p, const float* a, const float* b, std::ptrdiff_t ldb, float* c, int first) {
    sums_.assign(std::size_t(Count) * p.N, 0.0f);
    float* sums = sums_.data();
    for (int k = 0; k < p.K; ++k) {
      const float* from = b + k * ldb;
      for (int r = 0; r < Count; ++r) {
        const std::ptrdiff_t row = first + r;
        const float scale = p.transpose_a ? a[std::ptrdiff_t(k) * p.lda + row] : a[row * p.lda + k];
        float* to = sums + std::size_t(r) * p.N;
        for (int j = 0; j < p.N; ++j) to[j] += scale * from[j];
      }
    }
    for (int r = 0; r < Count; ++r) {
      float* out = c + std::ptrdiff_t(first + r) * p.ldc;
      const float* from = sums + std::size_t(r) * p.N;
      for (int j = 0; j < p.N; ++j) out[j] = p.alpha * from[j] + (p.beta != 0 ? p.beta * out[j] : 0.0f);
    }
  }

  std::vector<float> sums_, turned_;
  std::size_t allocated_ = 0;
};

}  // namespace strobe
