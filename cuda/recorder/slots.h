// The memory a recorder copies into: a pool of slots, allocated once, each with room for one snapshot.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "recorder.h"

namespace strobe {

// Plain host memory: a copy is done when the call returns.
strobe_memory host_memory();

// Owns a strobe_memory, and closes it.
class Memory {
 public:
  explicit Memory(const strobe_memory& calls) : calls_(calls) {}
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  bool is_whole() const;  // whether every function is there
  std::string words(int code) const;
  const strobe_memory& calls() const { return calls_; }

 private:
  strobe_memory calls_;
};

// A file's image, then the float32 values that norms are still to be taken of; zero to begin with.
class Slot {
 public:
  explicit Slot(const Memory& memory) : memory_(memory) {}
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  int allocate(std::size_t bytes);  // 0 or a code of the memory's
  unsigned char* data() const { return static_cast<unsigned char*>(data_); }
  void* ticket() const { return ticket_; }

 private:
  const Memory& memory_;
  void* data_ = nullptr;
  void* ticket_ = nullptr;
};

// One copy that a snapshot makes.
struct Copy {
  const void* from;
  std::size_t to;  // offset in the slot
  std::size_t bytes;
};

// `runs` L2 norms, each of `length` float32 values, from one offset of a slot to another.
struct Norms {
  std::size_t from, to, runs, length;
  bool as_float64;
};

// What stands where in a slot.
struct Layout {
  std::size_t file_bytes = 0, slot_bytes = 0;
  std::vector<Copy> copies;
  std::vector<Norms> norms;
};

// The Euclidean norm of float32 values, summed in float64.
double l2_norm(const float* values, std::size_t count);

void take_norms(const Norms& norms, unsigned char* slot);

}  // namespace strobe
