// Records snapshots of a training run in Strobe's format (docs/snapshot-format.md), from any C or C++ program.
//
//   strobe_recorder* recorder = strobe_open(&options, tensors, count, error, sizeof error);
//   for (step = 0; ; ++step) {
//     ... forward, backward ...
//     strobe_scalar(recorder, "train_loss", loss);
//     if (step % 100 == 0) strobe_snapshot(recorder, step, stream);
//     strobe_log(recorder, step, tokens_seen);
//     if (step == last) break;
//     ... update ...
//   }
//   strobe_close(recorder, "finished", NULL);
//
// It fails when it cannot begin, and never after: training matters more than its record. No call ends the process,
// throws, or waits for the disk, except where `wait_when_full` asks for it. What fails is counted, said once on
// stderr, and tried again at the next snapshot. A NULL recorder is allowed everywhere and records nothing.
#ifndef STROBE_RECORDER_H
#define STROBE_RECORDER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { STROBE_MAX_DIMS = 8 };

// One tensor of each snapshot. `data` is read at every snapshot: device memory with a device's `memory`, else host
// memory. With `l2_of` 0 the tensor is copied as it is. With `l2_of` N > 0, `data` holds product(shape) runs of N
// float32 values, one after another, and what is recorded is the L2 norm of each run, summed in float64.
typedef struct strobe_tensor {
  const char* name;                   // "section/tensor", such as "params/wte"
  const char* dims[STROBE_MAX_DIMS];  // "token", "channel", ...
  int64_t shape[STROBE_MAX_DIMS];
  int n_dims;
  const char* dtype;  // "float32", "float64", "float16", "bfloat16", "int8", "int32", "int64", "uint8"
  const void* data;
  int64_t l2_of;
} strobe_tensor;

// Where `data` lies and how it comes to the host. Each function returns 0, or a number that `describe` turns into
// words. `copy` may return before the bytes have arrived; `end` returns a ticket that the writer thread waits on.
typedef struct strobe_memory {
  void* context;
  int (*allocate)(void* context, size_t bytes, void** out);  // host memory that copies are fast to
  void (*release)(void* context, void* memory);
  int (*make_ticket)(void* context, void** out);            // once a slot
  int (*begin)(void* context, void* stream, void* ticket);  // what `stream` was given so far precedes the copies
  int (*copy)(void* context, void* to, const void* from, size_t bytes);
  int (*end)(void* context, void* stream, void* ticket);      // what `stream` is given from here follows them
  int (*wait)(void* context, void* ticket, double* copy_ms);  // on the writer thread, until they have arrived; gives
                                                              // the time that they kept the device busy, or 0
  void (*drop_ticket)(void* context, void* ticket);
  void (*close)(void* context);
  const char* (*describe)(int code);
} strobe_memory;

// The memory of the current CUDA device, with a copy stream of its own; in cuda_memory.cu. Returns 0 or a CUDA
// error code. strobe_open takes it over, and closes it even when it fails.
int strobe_cuda_memory(strobe_memory* out);

typedef struct strobe_options {
  const char* folder;  // the run's; made when it is not there
  const char* name;    // NULL: the folder's
  const char* model;   // JSON objects for the manifest; NULL: {"family":"other"}, {} and {}
  const char* task;
  const char* training;
  const char* writer;          // NULL: "strobe (c++)"
  const char* const* scalars;  // names that stand in every snapshot; NULL: those of the snapshot format
  int n_scalars;
  int resume;  // 1: go on with the run that is there, as its next attempt, from `step` on
  int64_t step;
  int queue;                    // snapshots that may wait for the disk; 0 means 2
  int wait_when_full;           // 0: a snapshot that finds the queue full is skipped and counted; 1: training waits
  int no_fsync;                 // 1: leave it to the system when bytes reach the disk
  const strobe_memory* memory;  // NULL: host memory
  int take_over;                // 1: take the folder over from a recorder of another host that is surely gone
} strobe_options;

typedef struct strobe_recorder strobe_recorder;

// NULL when nothing can be recorded there, with one line of why in `error`.
strobe_recorder* strobe_open(const strobe_options* options, const strobe_tensor* tensors, int n_tensors, char* error,
                             size_t error_bytes);

// A metric of the current step. It stands in the snapshot and in the line that are made next.
void strobe_scalar(strobe_recorder* recorder, const char* name, double value);

// Starts the copy of every tensor and queues the snapshot of `step`: 1, or 0 when it was skipped or failed.
int strobe_snapshot(strobe_recorder* recorder, int64_t step, void* stream);

// Appends one line with the scalars since the last one to metrics.jsonl; `tokens` below 0 is left out.
void strobe_log(strobe_recorder* recorder, int64_t step, int64_t tokens);

// Waits until everything so far is on disk or was given up: before a state to resume from is saved.
void strobe_flush(strobe_recorder* recorder);

typedef struct strobe_status {
  int64_t recorded, skipped, missed, lost_lines;  // what went with the run's folder is missed, or lost
  double copy_ms;        // of the last snapshot: what its call took
  double write_ms;       // of the last snapshot: norms, checksum and file, on the writer thread
  char last_error[256];  // why the last one that was missed was missed, or ""
} strobe_status;

void strobe_get_status(const strobe_recorder* recorder, strobe_status* out);

// Writes what is queued and the end line ("finished", "interrupted" or "failed"), and frees everything.
void strobe_close(strobe_recorder* recorder, const char* end, const char* reason);

#ifdef __cplusplus
}

#include <memory>

namespace strobe {

struct Interrupted {
  void operator()(strobe_recorder* recorder) const {
    strobe_close(recorder, "interrupted", "the program ended without strobe_close");
  }
};

// Owns a recorder: what leaves its scope unfinished says so. `strobe_close(owner.release(), ...)` ends it otherwise.
using RecorderOwner = std::unique_ptr<strobe_recorder, Interrupted>;

}  // namespace strobe
#endif

#endif  // STROBE_RECORDER_H
