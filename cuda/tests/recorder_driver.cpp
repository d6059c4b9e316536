// Drives the recorder for tests/cuda/test_recorder*.py: each line on stdin is a JSON array, a command and its
// arguments; each gets one line of JSON back.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "failing_calls.h"
#include "recorder/checksum.h"
#include "recorder/json.h"
#include "recorder/manifest.h"
#include "recorder/recorder.h"
#include "recorder/slots.h"

using strobe::Json;

namespace {

// Host memory whose copies the writer thread must wait for until the test opens the gate, and that fails on demand.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = true;
  int fail_begin = 0, fail_copy = 0, fail_end = 0, fail_wait = 0, allocations_left = 1 << 30;
  int live_slots = 0, live_tickets = 0, closed = 0;
  double copy_ms = 0;
};

// Never destroyed: a writer thread may still wait on it when the program ends.
Gate& gate = *new Gate;

int gate_allocate(void* context, std::size_t bytes, void** out) {
  if (gate.allocations_left-- <= 0) return 12;
  ++gate.live_slots;
  return strobe::host_memory().allocate(context, bytes, out);
}

void gate_release(void* context, void* memory) {
  --gate.live_slots;
  strobe::host_memory().release(context, memory);
}

int gate_make_ticket(void*, void** out) {
  ++gate.live_tickets;
  *out = std::malloc(1);
  return 0;
}

void gate_drop_ticket(void*, void* ticket) {
  --gate.live_tickets;
  std::free(ticket);
}

int gate_begin(void*, void*, void*) { return gate.fail_begin; }

int gate_copy(void*, void* to, const void* from, std::size_t bytes) {
  if (gate.fail_copy) return gate.fail_copy;
  std::memcpy(to, from, bytes);
  return 0;
}

int gate_end(void*, void*, void*) { return gate.fail_end; }

int gate_wait(void*, void*, double* copy_ms) {
  std::unique_lock<std::mutex> lock(gate.mutex);
  gate.changed.wait(lock, [] { return gate.open; });
  *copy_ms = gate.copy_ms;
  return gate.fail_wait;
}

void gate_close(void*) { ++gate.closed; }

const char* gate_describe(int) { return "the device is on strike"; }

strobe_memory gate_memory() {
  strobe_memory calls{};
  calls.allocate = gate_allocate;
  calls.release = gate_release;
  calls.make_ticket = gate_make_ticket;
  calls.begin = gate_begin;
  calls.copy = gate_copy;
  calls.end = gate_end;
  calls.wait = gate_wait;
  calls.drop_ticket = gate_drop_ticket;
  calls.close = gate_close;
  calls.describe = gate_describe;
  return calls;
}

std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

double number(const Json& value) {
  if (value.kind == Json::Kind::text) return std::strtod(value.text.c_str(), nullptr);
  return value.kind == Json::Kind::real ? value.real : std::strtod(value.text.c_str(), nullptr);
}

std::int64_t whole(const Json* value, std::int64_t otherwise = 0) {
  return value ? std::strtoll(value->text.c_str(), nullptr, 10) : otherwise;
}

const char* text_or_null(const Json& given, const char* key) {
  const Json* value = given.find(key);
  return value && value->kind == Json::Kind::text ? value->text.c_str() : nullptr;
}

class Driver {
 public:
  Json run(const std::vector<Json>& arguments) {
    const std::string& name = arguments.at(0).text;
    if (name == "open") return open(arguments.at(1), arguments.at(2));
    if (name == "loop") return loop(whole(&arguments.at(1)), whole(&arguments.at(2)), whole(&arguments.at(3)));
    if (name == "load") {
      const std::vector<char> bytes = read_file(arguments.at(2).text);
      auto& data = data_.at(static_cast<std::size_t>(whole(&arguments.at(1))));
      if (bytes.size() != data.size()) std::abort();
      std::copy(bytes.begin(), bytes.end(), data.begin());
    } else if (name == "scalar") {
      strobe_scalar(recorder_, arguments.at(1).text.c_str(), number(arguments.at(2)));
    } else if (name == "snapshot") {
      return Json(strobe_snapshot(recorder_, whole(&arguments.at(1)), nullptr));
    } else if (name == "log") {
      strobe_log(recorder_, whole(&arguments.at(1)), arguments.size() > 2 ? whole(&arguments.at(2)) : -1);
    } else if (name == "flush") {
      strobe_flush(recorder_);
    } else if (name == "status") {
      return status();
    } else if (name == "close") {
      strobe_close(recorder_, arguments.size() > 1 ? arguments[1].text.c_str() : "finished",
                   arguments.size() > 2 ? arguments[2].text.c_str() : nullptr);
      recorder_ = nullptr;
    } else if (name == "gate") {
      set_gate(arguments.at(1));
    } else if (name == "gate_counts") {
      return Json::object()
          .set("slots", gate.live_slots)
          .set("tickets", gate.live_tickets)
          .set("closed", gate.closed);
    } else {
      return system(name, arguments);
    }
    return Json();
  }

 private:
  // What has to do with this process, or with one function alone.
  Json system(const std::string& name, const std::vector<Json>& arguments) {
    if (name == "fork") return in_a_child();
    if (name == "uid")
      return Json(::setgid(65534) != 0 || ::setuid(static_cast<uid_t>(whole(&arguments.at(1)))) != 0);
    if (name == "fail") return fail(arguments.at(1).text, whole(&arguments.at(2)), whole(&arguments.at(3)));
    if (name == "short_writes") return failing::most = static_cast<std::size_t>(whole(&arguments.at(1))), Json();
    if (name == "fsize") {
      rlimit limit{};
      ::getrlimit(RLIMIT_FSIZE, &limit);
      limit.rlim_cur = whole(&arguments.at(1)) < 0 ? limit.rlim_max : static_cast<rlim_t>(whole(&arguments.at(1)));
      return Json(::setrlimit(RLIMIT_FSIZE, &limit));
    }
    if (name == "echo") return arguments.at(1);
    if (name == "parse") {
      std::string error;
      const auto value = strobe::parse_json(arguments.at(1).text, error);
      return value ? Json(value->dump()) : Json::object().set("error", error);
    }
    if (name == "run_id") return Json(strobe::run_id(arguments.at(1).text));
    if (name == "text_fault") return Json(strobe::text_fault(arguments.at(1).text));
    if (name == "crc") {
      const std::vector<char> bytes = read_file(arguments.at(1).text);
      const auto cut = std::min(bytes.size(), static_cast<std::size_t>(whole(&arguments.at(2))));
      return Json(
          std::uint64_t{strobe::crc32(bytes.data() + cut, bytes.size() - cut, strobe::crc32(bytes.data(), cut))});
    }
    std::fprintf(stderr, "no command %s\n", name.c_str());
    std::abort();
  }

  static Json fail(const std::string& name, std::int64_t nth, std::int64_t error) {
    for (const char* known : {"open", "close", "write", "fsync", "rename"})
      if (name == known) failing::which = known;
    failing::error = static_cast<int>(error);
    failing::left = static_cast<int>(nth);
    return Json();
  }

  Json open(const Json& options, const Json& tensors) {
    std::vector<std::vector<char>> data;  // stays where it is when the vectors move
    std::vector<strobe_tensor> given;
    for (const Json& tensor : tensors.items) given.push_back(take(tensor, data));
    strobe_options with{};
    with.folder = text_or_null(options, "folder");
    with.name = text_or_null(options, "name");
    with.model = text_or_null(options, "model");
    with.task = text_or_null(options, "task");
    with.training = text_or_null(options, "training");
    with.writer = text_or_null(options, "writer");
    std::vector<const char*> scalars;
    if (const Json* names = options.find("scalars")) {
      for (const Json& name : names->items) scalars.push_back(name.text.c_str());
      with.n_scalars = static_cast<int>(scalars.size());
      scalars.push_back("");
      with.scalars = scalars.data();
    }
    with.take_over = static_cast<int>(whole(options.find("take_over")));
    with.resume = static_cast<int>(whole(options.find("resume")));
    with.step = whole(options.find("step"));
    with.queue = static_cast<int>(whole(options.find("queue")));
    with.wait_when_full = static_cast<int>(whole(options.find("wait")));
    with.no_fsync = static_cast<int>(whole(options.find("no_fsync")));
    const strobe_memory memory = gate_memory();
    if (options.find("gate")) with.memory = &memory;
    char error[512] = "untouched";
    strobe_recorder* recorder = strobe_open(&with, given.data(), static_cast<int>(given.size()), error, sizeof error);
    if (!recorder) return Json::object().set("error", error);
    if (recorder_) std::abort();
    recorder_ = recorder;
    data_ = std::move(data);
    return Json::object();
  }

  static strobe_tensor take(const Json& given, std::vector<std::vector<char>>& data) {
    strobe_tensor tensor{};
    tensor.name = text_or_null(given, "name");
    tensor.dtype = text_or_null(given, "dtype");
    tensor.l2_of = whole(given.find("l2_of"));
    const auto& dims = given.find("dims")->items;
    tensor.n_dims = static_cast<int>(whole(given.find("n_dims"), static_cast<std::int64_t>(dims.size())));
    for (std::size_t i = 0; i < dims.size() && i < STROBE_MAX_DIMS; ++i) tensor.dims[i] = dims[i].text.c_str();
    const auto& shape = given.find("shape")->items;
    for (std::size_t i = 0; i < shape.size() && i < STROBE_MAX_DIMS; ++i) tensor.shape[i] = whole(&shape[i]);
    if (const char* file = text_or_null(given, "file")) {
      data.push_back(read_file(file));
      tensor.data = data.back().empty() ? "" : data.back().data();
    }
    return tensor;
  }

  // A training: every float32 becomes the step, a snapshot and a line each.
  Json loop(std::int64_t from, std::int64_t to, std::int64_t pause_us) {
    std::int64_t queued = 0;
    for (std::int64_t step = from; step < to; ++step) {
      const auto value = static_cast<float>(step);
      for (auto& data : data_)
        for (std::size_t i = 0; i + 4 <= data.size(); i += 4) std::memcpy(data.data() + i, &value, 4);
      strobe_scalar(recorder_, "train_loss", static_cast<double>(step));
      queued += strobe_snapshot(recorder_, step, nullptr);
      strobe_log(recorder_, step, -1);
      if (pause_us) std::this_thread::sleep_for(std::chrono::microseconds(pause_us));
    }
    return Json(queued);
  }

  Json status() const {
    strobe_status now{};
    strobe_get_status(recorder_, &now);
    Json out = Json::object();
    out.set("recorded", now.recorded).set("skipped", now.skipped).set("missed", now.missed);
    out.set("lost_lines", now.lost_lines).set("copy_ms", now.copy_ms).set("write_ms", now.write_ms);
    return out.set("last_error", static_cast<const char*>(now.last_error));
  }

  void set_gate(const Json& wanted) {
    if (const Json* ms = wanted.find("open_after_ms")) {
      std::thread([pause = whole(ms)] {
        std::this_thread::sleep_for(std::chrono::milliseconds(pause));
        const std::lock_guard<std::mutex> lock(gate.mutex);
        gate.open = true;
        gate.changed.notify_all();
      }).detach();
    }
    const std::lock_guard<std::mutex> lock(gate.mutex);
    const auto take = [&](const char* key, int& value) { value = static_cast<int>(whole(wanted.find(key), value)); };
    int open = gate.open;
    take("open", open);
    gate.open = open != 0;
    take("begin", gate.fail_begin);
    take("copy", gate.fail_copy);
    take("end", gate.fail_end);
    take("wait", gate.fail_wait);
    take("allocations", gate.allocations_left);
    if (const Json* ms = wanted.find("copy_ms")) gate.copy_ms = number(*ms);
    gate.changed.notify_all();
  }

  // Every call, in a process that was forked off: none may do anything, or hang.
  Json in_a_child() {
    const pid_t child = ::fork();
    if (child == 0) {
      strobe_scalar(recorder_, "train_loss", -1);
      strobe_log(recorder_, 77, -1);
      const int queued = strobe_snapshot(recorder_, 77, nullptr);
      strobe_flush(recorder_);
      strobe_close(recorder_, "failed", "a child");
      ::_exit(queued);
    }
    int ended = -1;
    ::waitpid(child, &ended, 0);
    return Json(ended);
  }

  std::vector<std::vector<char>> data_;
  strobe_recorder* recorder_ = nullptr;
};

}  // namespace

int main() {
  Driver driver;
  for (std::string line; std::getline(std::cin, line);) {
    std::string error;
    const auto command = strobe::parse_json(line, error);
    if (!command || command->items.empty()) {
      std::fprintf(stderr, "bad command %s: %s\n", line.c_str(), error.c_str());
      return 2;
    }
    std::cout << driver.run(command->items).dump() << std::endl;
  }
  return 0;
}
