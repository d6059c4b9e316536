// As much of the CUDA runtime as the recorder uses, on threads: a stream is a thread that does its work in order and
// late, so that whatever is not ordered by an event goes wrong here as it would on a device.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

enum cudaError_t { cudaSuccess = 0, cudaErrorMemoryAllocation = 2, cudaErrorUnknown = 999 };
enum { cudaEventDefault = 0, cudaEventBlockingSync = 1, cudaEventDisableTiming = 2, cudaStreamNonBlocking = 1 };
enum { cudaHostAllocPortable = 1, cudaMemcpyDefault = 4 };

namespace fake {

// One recording of an event.
struct Moment {
  std::mutex mutex;
  std::condition_variable changed;
  bool reached = false;
  std::chrono::steady_clock::time_point time;

  void reach() {
    const std::lock_guard<std::mutex> lock(mutex);
    time = std::chrono::steady_clock::now();
    reached = true;
    changed.notify_all();
  }
  void wait() {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return reached; });
  }
};

class Stream {
 public:
  Stream() : thread_([this] { run(); }) {}
  ~Stream() {
    push(nullptr);
    thread_.join();
  }
  void push(std::function<void()> work) {
    const std::lock_guard<std::mutex> lock(mutex_);
    work_.push_back(std::move(work));
    changed_.notify_all();
  }

 private:
  void run() {
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return !work_.empty(); });
      const std::function<void()> next = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      if (!next) return;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      next();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  std::thread thread_;
};

struct Event {
  std::shared_ptr<Moment> moment;
  unsigned flags;
};

// The one device, and what the test wants of it.
struct Device {
  std::mutex mutex;
  int calls = 0;          // that may fail
  int fail_at = -1;       // the call that fails, counted from 0; -1: none
  int live = 0;           // streams, events and host allocations that were not given back
  int last_error = 0;     // what cudaGetLastError would say
  std::size_t bytes = 0;  // copied
};

inline Device& device() {
  static Device the_device;
  return the_device;
}

inline cudaError_t attempt() {
  const std::lock_guard<std::mutex> lock(device().mutex);
  if (device().calls++ != device().fail_at) return cudaSuccess;
  device().last_error = cudaErrorUnknown;
  return cudaErrorUnknown;
}

inline void count_live(int change) {
  const std::lock_guard<std::mutex> lock(device().mutex);
  device().live += change;
}

}  // namespace fake

using cudaStream_t = fake::Stream*;
using cudaEvent_t = fake::Event*;

inline fake::Stream& stream_or_default(cudaStream_t stream) {
  static fake::Stream the_default;
  return stream ? *stream : the_default;
}

inline cudaError_t cudaGetLastError() {
  const std::lock_guard<std::mutex> lock(fake::device().mutex);
  const auto code = static_cast<cudaError_t>(fake::device().last_error);
  fake::device().last_error = cudaSuccess;
  return code;
}

inline const char* cudaGetErrorString(cudaError_t code) { return code == cudaSuccess ? "no error" : "a fake error"; }

inline cudaError_t cudaGetDevice(int* out) {
  *out = 0;
  return fake::attempt();
}

inline cudaError_t cudaSetDevice(int) { return fake::attempt(); }

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* out, unsigned flags) {
  if (flags != cudaStreamNonBlocking) std::abort();
  const cudaError_t code = fake::attempt();
  if (code != cudaSuccess) return code;
  *out = new fake::Stream;
  fake::count_live(1);
  return code;
}

inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  fake::count_live(-1);
  return cudaSuccess;
}

inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const auto moment = std::make_shared<fake::Moment>();
  stream_or_default(stream).push([moment] { moment->reach(); });
  moment->wait();
  return cudaSuccess;
}

inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* out, unsigned flags) {
  const cudaError_t code = fake::attempt();
  if (code != cudaSuccess) return code;
  *out = new fake::Event{nullptr, flags};
  fake::count_live(1);
  return code;
}

inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  fake::count_live(-1);
  return cudaSuccess;
}

inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const cudaError_t code = fake::attempt();
  if (code != cudaSuccess) return code;
  const auto moment = event->moment = std::make_shared<fake::Moment>();
  stream_or_default(stream).push([moment] { moment->reach(); });
  return code;
}

inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const cudaError_t code = fake::attempt();
  if (code == cudaSuccess && event->moment)
    stream_or_default(stream).push([moment = event->moment] { moment->wait(); });
  return code;
}

inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const cudaError_t code = fake::attempt();
  if (code == cudaSuccess && event->moment) event->moment->wait();
  return code;
}

inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  const cudaError_t code = fake::attempt();
  if (code != cudaSuccess || !from->moment || !to->moment) return cudaErrorUnknown;
  if ((from->flags | to->flags) & cudaEventDisableTiming) std::abort();
  *ms = std::chrono::duration<float, std::milli>(to->moment->time - from->moment->time).count();
  return code;
}

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, int, cudaStream_t stream) {
  const cudaError_t code = fake::attempt();
  if (code != cudaSuccess) return code;
  stream_or_default(stream).push([=] { std::memcpy(to, from, bytes); });
  const std::lock_guard<std::mutex> lock(fake::device().mutex);
  fake::device().bytes += bytes;
  return code;
}

inline cudaError_t cudaHostAlloc(void** out, std::size_t bytes, unsigned) {
  const cudaError_t code = fake::attempt();
  if (code != cudaSuccess) return code;
  *out = std::malloc(bytes);
  fake::count_live(1);
  return code;
}

inline cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  fake::count_live(-1);
  return cudaSuccess;
}
