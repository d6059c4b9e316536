// recorder_streams RUN FAIL_AT: a training on a stream whose kernels overwrite the recorded tensors right before and
// right after each snapshot. RUN gets steps 0 to 11. FAIL_AT is the number of the CUDA call that fails, or -1. Prints
// the snapshots recorded and missed, and how many CUDA calls there were; ends with 1 when anything of CUDA leaked, or
// an error of the recorder's is left for the training to find.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "cuda_runtime.h"
#include "recorder/recorder.h"

namespace {

constexpr int kSteps = 12;
constexpr std::size_t kCount = 5000;

void fill(cudaStream_t stream, std::vector<float>& tensor, float value) {
  stream->push([&tensor, value] {
    std::this_thread::sleep_for(std::chrono::microseconds(500));
    for (float& element : tensor) element = value;
  });
}

strobe_tensor describe(const char* name, const std::vector<float>& values) {
  strobe_tensor tensor{};
  tensor.name = name;
  tensor.dims[0] = "channel";
  tensor.shape[0] = static_cast<std::int64_t>(values.size());
  tensor.n_dims = 1;
  tensor.dtype = "float32";
  tensor.data = values.data();
  return tensor;
}

strobe_recorder* open(const char* folder, const std::vector<float>& first, const std::vector<float>& second) {
  const strobe_tensor tensors[] = {describe("params/first", first), describe("params/second", second)};
  strobe_memory memory{};
  if (strobe_cuda_memory(&memory)) return nullptr;
  strobe_options options{};
  options.folder = folder;
  options.wait_when_full = 1;
  options.no_fsync = 1;
  options.memory = &memory;
  char error[512] = "";
  strobe_recorder* recorder = strobe_open(&options, tensors, 2, error, sizeof error);
  if (!recorder) std::fprintf(stderr, "%s\n", error);
  return recorder;
}

}  // namespace

int main(int, char** arguments) {
  fake::device().fail_at = std::atoi(arguments[2]);
  std::vector<float> first(kCount), second(kCount);
  strobe_status status{};
  {
    fake::Stream training;
    strobe::RecorderOwner recorder(open(arguments[1], first, second));
    for (int step = 0; step < kSteps; ++step) {
      fill(&training, first, static_cast<float>(step));
      fill(&training, second, static_cast<float>(step));
      strobe_snapshot(recorder.get(), step, &training);
      fill(&training, second, -1);
      fill(&training, first, -1);
    }
    strobe_flush(recorder.get());
    strobe_get_status(recorder.get(), &status);
    if (!recorder) status.missed = -1;
  }
  std::printf("%lld %lld %d\n", static_cast<long long>(status.recorded), static_cast<long long>(status.missed),
              fake::device().calls);
  return fake::device().live || cudaGetLastError() != cudaSuccess;
}
