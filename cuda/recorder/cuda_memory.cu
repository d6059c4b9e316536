// strobe_cuda_memory: page-locked slots, and copies on a stream of their own between two events of the training's.
//
//   training stream  ... backward |ready                              |waits for finished| update ...
//   copy stream                   |waits for ready| started copies finished
//
// So the copies see what the training had written when strobe_snapshot was called, the training changes nothing
// before they are done, and neither the host nor any other stream waits.
#include <cuda_runtime.h>

#include <memory>
#include <new>

#include "recorder.h"

namespace {

// What training asks the runtime about its own calls must not be answered with a failure of ours.
int forget(cudaError_t code) {
  if (code != cudaSuccess) cudaGetLastError();
  return static_cast<int>(code);
}

class Event {
 public:
  ~Event() {
    if (event_) cudaEventDestroy(event_);
  }
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  cudaError_t create(unsigned flags) { return cudaEventCreateWithFlags(&event_, flags); }
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

// The events of one slot.
struct Ticket {
  Event ready, started, finished;

  cudaError_t create() {
    cudaError_t code = ready.create(cudaEventDisableTiming);
    if (code == cudaSuccess) code = started.create(cudaEventDefault);
    // The writer thread sleeps on this one: spinning would take a core from the training.
    if (code == cudaSuccess) code = finished.create(cudaEventBlockingSync);
    return code;
  }
};

class Device {
 public:
  ~Device() {
    if (stream_) cudaStreamDestroy(stream_);
  }
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  cudaError_t open() {
    const cudaError_t code = cudaGetDevice(&device_);
    return code == cudaSuccess ? cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking) : code;
  }

  cudaError_t begin(cudaStream_t training, const Ticket& ticket) const {
    cudaError_t code = cudaEventRecord(ticket.ready.get(), training);
    if (code == cudaSuccess) code = cudaStreamWaitEvent(stream_, ticket.ready.get(), 0);
    if (code == cudaSuccess) code = cudaEventRecord(ticket.started.get(), stream_);
    return code;
  }

  cudaError_t copy(void* to, const void* from, size_t bytes) const {
    return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_);
  }

  cudaError_t end(cudaStream_t training, const Ticket& ticket) const {
    cudaError_t code = cudaEventRecord(ticket.finished.get(), stream_);
    if (code == cudaSuccess) code = cudaStreamWaitEvent(training, ticket.finished.get(), 0);
    // Without the event nothing else keeps the training from what is being copied, nor the slot from its next use.
    if (code != cudaSuccess) cudaStreamSynchronize(stream_);
    return code;
  }

  cudaError_t wait(const Ticket& ticket, double* copy_ms) const {
    *copy_ms = 0;
    cudaError_t code = cudaSetDevice(device_);
    if (code == cudaSuccess) code = cudaEventSynchronize(ticket.finished.get());
    float ms = 0;
    if (code != cudaSuccess) return code;
    if (forget(cudaEventElapsedTime(&ms, ticket.started.get(), ticket.finished.get())) == cudaSuccess) *copy_ms = ms;
    return code;
  }

 private:
  int device_ = 0;
  cudaStream_t stream_ = nullptr;
};

const Device& device(void* context) { return *static_cast<const Device*>(context); }

const Ticket& ticket_of(void* ticket) { return *static_cast<const Ticket*>(ticket); }

int allocate(void*, size_t bytes, void** out) { return forget(cudaHostAlloc(out, bytes, cudaHostAllocPortable)); }

void release(void*, void* memory) { forget(cudaFreeHost(memory)); }

int make_ticket(void*, void** out) {
  std::unique_ptr<Ticket> ticket(new (std::nothrow) Ticket);
  const cudaError_t code = ticket ? ticket->create() : cudaErrorMemoryAllocation;
  if (code == cudaSuccess) *out = ticket.release();
  return forget(code);
}

void drop_ticket(void*, void* ticket) { delete static_cast<Ticket*>(ticket); }

int begin(void* context, void* stream, void* ticket) {
  return forget(device(context).begin(static_cast<cudaStream_t>(stream), ticket_of(ticket)));
}

int copy(void* context, void* to, const void* from, size_t bytes) {
  return forget(device(context).copy(to, from, bytes));
}

int end(void* context, void* stream, void* ticket) {
  return forget(device(context).end(static_cast<cudaStream_t>(stream), ticket_of(ticket)));
}

int wait(void* context, void* ticket, double* copy_ms) {
  return forget(device(context).wait(ticket_of(ticket), copy_ms));
}

void close(void* context) { delete static_cast<Device*>(context); }

const char* describe(int code) { return cudaGetErrorString(static_cast<cudaError_t>(code)); }

}  // namespace

extern "C" int strobe_cuda_memory(strobe_memory* out) {
  std::unique_ptr<Device> opened(new (std::nothrow) Device);
  const cudaError_t code = opened ? opened->open() : cudaErrorMemoryAllocation;
  if (code != cudaSuccess) return forget(code);
  strobe_memory calls{};
  calls.allocate = allocate;
  calls.release = release;
  calls.make_ticket = make_ticket;
  calls.begin = begin;
  calls.copy = copy;
  calls.end = end;
  calls.wait = wait;
  calls.drop_ticket = drop_ticket;
  calls.close = close;
  calls.describe = describe;
  calls.context = opened.release();
  *out = calls;
  return 0;
}
