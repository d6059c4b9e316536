// A CUDA device: launches and cuBLAS calls over the mathematics of rows.h. Included by device.h.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "group.h"

namespace strobe {

inline void check(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  std::string hint;
  if (code == cudaErrorMemoryAllocation) hint = "; try a smaller -b or -t";
  if (code == cudaErrorNoDevice || code == cudaErrorInsufficientDriver) hint = "; build the host trainer: make host";
  throw Failure(std::string("CUDA: ") + what + ": " + cudaGetErrorString(code) + hint);
}

inline void check(cublasStatus_t code, const char* what) {
  if (code != CUBLAS_STATUS_SUCCESS)
    throw Failure(std::string("cuBLAS: ") + what + ": " + cublasGetStatusString(code));
}

namespace kernels {

constexpr int kThreads = 256, kWarps = kThreads / 32, kColumns = 32, kRowLanes = 8, kMostParts = 64;

template <class F>
__global__ void elements(std::int64_t n, F f) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) f(i);
}

template <class F>
__global__ void cells(std::int64_t rows, int columns, F f) {
  const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= columns) return;
  for (std::int64_t row = blockIdx.y; row < rows; row += gridDim.y) f(row, column);
}

template <class F>
__global__ void rows(std::int64_t n, F f) {
  const std::int64_t row = std::int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (row < n) f(Warp{}, row);
}

template <class F>
__global__ void wide_rows(F f) {
  f(Block{}, std::int64_t{blockIdx.x});
}

// Each block sums a range of rows for 32 columns; `out` is (parts, columns) when there are several ranges.
template <class F>
__global__ void column_sums(float* out, std::int64_t rows, int columns, std::int64_t range, float scale, bool add,
                            F f) {
  __shared__ float parts[kRowLanes][kColumns];
  const int column = static_cast<int>(blockIdx.x) * kColumns + static_cast<int>(threadIdx.x);
  const std::int64_t first = range * blockIdx.y, last = first + range < rows ? first + range : rows;
  float sum = 0;
  if (column < columns)
    for (std::int64_t row = first + threadIdx.y; row < last; row += kRowLanes) sum += f(row, column);
  parts[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || column >= columns) return;
  for (int lane = 1; lane < kRowLanes; ++lane) sum += parts[lane][threadIdx.x];
  float* to = out + std::int64_t{blockIdx.y} * columns + column;
  *to = scale * sum + (add ? *to : 0.0f);
}

template <class F>
__global__ void sum(double* out, std::int64_t n, F f) {
  double total = 0;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) total += f(i);
  total = Block{}.sum(total);
  if (threadIdx.x == 0) out[blockIdx.x] = total;
}

// The squares of one run of n values by each row of blocks, in as many parts as a row has blocks.
static __global__ void squares(double* out, const float* values, std::int64_t n) {
  const float* run = values + n * blockIdx.y;
  double total = 0;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step)
    total += double(run[i]) * double(run[i]);
  total = Block{}.sum(total);
  if (threadIdx.x == 0) out[blockIdx.y * gridDim.x + blockIdx.x] = total;
}

static __global__ void roots(float* out, const double* parts, int count) {
  double total = 0;
  for (int i = 0; i < count; ++i) total += parts[blockIdx.x * count + i];
  out[blockIdx.x] = static_cast<float>(sqrt(total));
}

struct ReadFloat {
  const float* from;
  int columns;
  __device__ float operator()(std::int64_t row, int column) const { return from[row * columns + column]; }
};

}  // namespace kernels

class Device {
 public:
  explicit Device(bool tf32) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
    check(cublasCreate(&blas_), "start");
    check(cublasSetStream(blas_, stream_), "stream");
    // Without it cuBLAS may choose another algorithm, hence another order of sums, when memory is short.
    workspace_ = allocate(kWorkspace);
    check(cublasSetWorkspace(blas_, workspace_, kWorkspace), "workspace");
    check(cublasSetMathMode(blas_, tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH), "precision");
    partial_ = static_cast<double*>(allocate(kSums * sizeof(double)));
    parts_bytes_ = 0;
    for (Staging& slot : staging_) check(cudaEventCreateWithFlags(&slot.sent, cudaEventDisableTiming), "an event");
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() {
    cudaStreamSynchronize(stream_);
    for (Staging& slot : staging_) {
      cudaFreeHost(slot.memory);
      cudaEventDestroy(slot.sent);
    }
    cudaFree(parts_);
    cudaFree(partial_);
    cublasDestroy(blas_);
    cudaFree(workspace_);
    cudaStreamDestroy(stream_);
  }

  DeviceFacts facts() const {
    int device = 0, clock_khz = 0, processors = 0, major = 0, minor = 0;
    cudaDeviceProp properties{};
    check(cudaGetDevice(&device), "the current device");
    check(cudaGetDeviceProperties(&properties, device), "the device's properties");
    cudaDeviceGetAttribute(&clock_khz, cudaDevAttrClockRate, device);
    cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    return {properties.name, 2.0e3 * clock_khz * processors * float32_lanes(major, minor)};
  }
  cudaStream_t stream() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_), "a kernel"); }
  std::size_t allocated() const { return allocated_; }
  double free_bytes() const {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "the device's memory");
    return static_cast<double>(free);
  }

  void* allocate(std::size_t bytes) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes), ("allocating " + std::to_string(bytes >> 20) + " MiB").c_str());
    allocated_ += bytes;
    zero(memory, bytes);
    return memory;
  }
  void release(void* memory, std::size_t bytes) {
    cudaStreamSynchronize(stream_);
    cudaFree(memory);
    allocated_ -= bytes;
  }
  void zero(void* memory, std::size_t bytes) { check(cudaMemsetAsync(memory, 0, bytes, stream_), "clearing memory"); }

  // Returns as soon as the bytes are staged; large pieces are copied through the driver.
  void upload(void* to, const void* from, std::size_t bytes) {
    if (bytes > kStaged) {
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "a copy to the device");
      return wait();
    }
    Staging& slot = staging_[next_++ % staging_.size()];
    if (!slot.memory) check(cudaMallocHost(&slot.memory, kStaged), "page-locked memory");
    check(cudaEventSynchronize(slot.sent), "an upload");
    std::memcpy(slot.memory, from, bytes);
    check(cudaMemcpyAsync(to, slot.memory, bytes, cudaMemcpyHostToDevice, stream_), "a copy to the device");
    check(cudaEventRecord(slot.sent, stream_), "an event");
  }
  void download(void* to, const void* from, std::size_t bytes) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "a copy to the host");
    wait();
  }

  template <class F>
  void elements(std::int64_t n, F f) {
    if (n) kernels::elements<<<blocks(n, 1 << 16), kernels::kThreads, 0, stream_>>>(n, f);
    launched();
  }
  template <class F>
  void cells(std::int64_t rows, int columns, F f) {
    const int threads = std::min(kernels::kThreads, (columns + 31) / 32 * 32);
    const dim3 grid((columns + threads - 1) / threads, static_cast<unsigned>(std::min<std::int64_t>(rows, 65535)));
    if (rows && columns) kernels::cells<<<grid, threads, 0, stream_>>>(rows, columns, f);
    launched();
  }
  template <class F>
  void rows(std::int64_t n, F f) {
    const auto grid = static_cast<unsigned>((n + kernels::kWarps - 1) / kernels::kWarps);
    if (n) kernels::rows<<<grid, kernels::kThreads, 0, stream_>>>(n, f);
    launched();
  }
  template <class F>
  void wide_rows(std::int64_t n, F f) {
    if (n) kernels::wide_rows<<<static_cast<unsigned>(n), 512, 0, stream_>>>(f);
    launched();
  }
  template <class F>
  void column_sums(float* out, std::int64_t rows, int columns, float scale, bool add, F f) {
    const dim3 threads(kernels::kColumns, kernels::kRowLanes);
    const unsigned across = (columns + kernels::kColumns - 1) / kernels::kColumns;
    const auto parts = static_cast<unsigned>(std::clamp<std::int64_t>(rows / 128, 1, kernels::kMostParts));
    const std::int64_t range = (rows + parts - 1) / parts;
    if (parts == 1) {
      kernels::column_sums<<<across, threads, 0, stream_>>>(out, rows, columns, rows, scale, add, f);
    } else {
      float* between = parts_of(std::size_t{parts} * columns);
      kernels::column_sums<<<dim3(across, parts), threads, 0, stream_>>>(between, rows, columns, range, 1.0f, false,
                                                                         f);
      kernels::column_sums<<<across, threads, 0, stream_>>>(out, std::int64_t{parts}, columns, std::int64_t{parts},
                                                            scale, add, kernels::ReadFloat{between, columns});
    }
    launched();
  }
  template <class F>
  double sum(std::int64_t n, F f) {
    const int grid = blocks(n, kSums);
    kernels::sum<<<grid, kernels::kThreads, 0, stream_>>>(partial_, n, f);
    launched();
    std::array<double, kSums> parts;
    download(parts.data(), partial_, grid * sizeof(double));
    double total = 0;
    for (int i = 0; i < grid; ++i) total += parts[i];
    return total;
  }

  void norms(float* out, const float* values, std::int64_t n, int runs) {
    constexpr int kTogether = kSums / kernels::kMostParts;
    for (int first = 0; first < runs; first += kTogether) {
      const int count = std::min(kTogether, runs - first), parts = blocks(n, kernels::kMostParts);
      kernels::squares<<<dim3(parts, count), kernels::kThreads, 0, stream_>>>(partial_, values + first * n, n);
      kernels::roots<<<count, 1, 0, stream_>>>(out + first, partial_, parts);
    }
    launched();
  }

  // cuBLAS is column-major: a row-major product is the product of the swapped operands.
  void matmul(const MatrixProduct& p, const float* a, const float* b, float* c) {
    check(cublasSgemm(blas_, turn(p.transpose_b), turn(p.transpose_a), p.N, p.M, p.K, &p.alpha, b, p.ldb, a, p.lda,
                      &p.beta, c, p.ldc),
          "a product");
  }
  void batched_matmul(const MatrixProduct& p, const float* const* a, const float* const* b, float* const* c,
                      int count) {
    check(cublasSgemmBatched(blas_, turn(p.transpose_b), turn(p.transpose_a), p.N, p.M, p.K, &p.alpha, b, p.ldb, a,
                             p.lda, &p.beta, c, p.ldc, count),
          "a batch of products");
  }

 private:
  static constexpr std::size_t kWorkspace = std::size_t{32} << 20, kStaged = std::size_t{4} << 20;
  static constexpr int kSums = 1024;
  struct Staging {
    void* memory = nullptr;
    cudaEvent_t sent = nullptr;
  };

  static cublasOperation_t turn(bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; }
  static int blocks(std::int64_t n, int most) {
    return static_cast<int>(std::clamp<std::int64_t>((n + kernels::kThreads - 1) / kernels::kThreads, 1, most));
  }
  // float32 lanes of a multiprocessor, from the architecture tables of the CUDA programming guide; 0: unknown.
  static int float32_lanes(int major, int minor) {
    if (major == 7 || (major == 8 && minor == 0)) return 64;
    return (major == 8 || major == 9 || major == 10 || major == 12) ? 128 : 0;
  }
  static void launched() { check(cudaGetLastError(), "a launch"); }
  float* parts_of(std::size_t count) {
    if (count * sizeof(float) > parts_bytes_) {
      if (parts_) release(parts_, parts_bytes_);
      parts_ = nullptr;
      parts_bytes_ = count * sizeof(float);
      parts_ = static_cast<float*>(allocate(parts_bytes_));
    }
    return parts_;
  }

  cudaStream_t stream_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  void* workspace_ = nullptr;
  double* partial_ = nullptr;
  float* parts_ = nullptr;
  std::size_t parts_bytes_ = 0, allocated_ = 0;
  std::array<Staging, 8> staging_{};
  std::size_t next_ = 0;
};

}  // namespace strobe
