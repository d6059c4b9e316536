// recorder_bytes RUN EXPECTED: records tensors of several types while the device goes on changing them, and writes
// what a plain copy gives at the same moments into EXPECTED, one file a step.
#include <cstdio>
#include <fstream>
#include <vector>

#include "gpt2/device.h"
#include "recorder/recorder.h"

#ifdef __CUDACC__
#define STROBE_LAMBDA [=] __device__
#else
#define STROBE_LAMBDA [=]
#endif

namespace {

using namespace strobe;

constexpr std::int64_t kRows = 1024, kColumns = 1031;
constexpr int kSteps = 5;

struct Tensors {
  Buffer<float> floats;
  Buffer<double> doubles;
  Buffer<std::int32_t> integers;
  Buffer<std::uint8_t> bytes;
  explicit Tensors(Device& device)
      : floats(device, kRows * kColumns), doubles(device, kColumns), integers(device, 7), bytes(device, 333) {}
};

void fill(Device& device, Tensors& t, int seed) {
  float* floats = t.floats.data();
  double* doubles = t.doubles.data();
  std::int32_t* integers = t.integers.data();
  std::uint8_t* bytes = t.bytes.data();
  device.elements(kRows * kColumns, STROBE_LAMBDA(std::int64_t i) { floats[i] = 1.0f / float(i % 9973 + seed + 1); });
  device.elements(kColumns, STROBE_LAMBDA(std::int64_t i) { doubles[i] = double(i) / (seed + 3); });
  device.elements(7, STROBE_LAMBDA(std::int64_t i) { integers[i] = std::int32_t(i * 1000003 + seed); });
  device.elements(333, STROBE_LAMBDA(std::int64_t i) { bytes[i] = std::uint8_t(i + seed); });
}

template <class T>
void append(std::ofstream& file, const Buffer<T>& buffer) {
  const auto values = buffer.download();
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(buffer.bytes()));
}

void run(const char* folder, const std::string& expected) {
  Device device(false);
  Tensors t(device);
  const strobe_tensor list[] = {
      {"params/floats", {"row", "column"}, {kRows, kColumns}, 2, "float32", t.floats.data(), 0},
      {"params/doubles", {"column"}, {kColumns}, 1, "float64", t.doubles.data(), 0},
      {"params/integers", {"column"}, {7}, 1, "int32", t.integers.data(), 0},
      {"params/bytes", {"column"}, {333}, 1, "uint8", t.bytes.data(), 0},
  };
  strobe_options options{};
  options.folder = folder;
  options.wait_when_full = 1;
#ifdef __CUDACC__
  strobe_memory memory{};
  if (strobe_cuda_memory(&memory)) throw Failure("no copy stream");
  options.memory = &memory;
#endif
  char error[512] = "";
  strobe_recorder* recorder = strobe_open(&options, list, 4, error, sizeof error);
  if (!recorder) throw Failure(error);
  for (int step = 0; step < kSteps; ++step) {
    fill(device, t, step);
    std::ofstream file(expected + "/" + std::to_string(step), std::ios::binary);
    append(file, t.floats);
    append(file, t.doubles);
    append(file, t.integers);
    append(file, t.bytes);
    strobe_snapshot(recorder, step, device.stream());
    // What comes after on the stream must wait for the copies.
    fill(device, t, 100 + step);
  }
  strobe_close(recorder, "finished", nullptr);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: recorder_bytes RUN EXPECTED\n");
    return 2;
  }
  try {
    run(arguments[1], arguments[2]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "recorder_bytes: %s\n", error.what());
    return 1;
  }
}
