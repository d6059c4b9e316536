// JSON as the snapshot format needs it: ordered, bounded, and written byte for byte as Python's json.dumps does with
// ensure_ascii=False and compact separators.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace strobe {

struct Json {
  enum class Kind { null, boolean, integer, real, text, array, object };

  Kind kind = Kind::null;
  bool boolean = false;
  double real = 0;
  std::string text;  // a string's value, or an integer's digits
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;

  Json() = default;
  Json(bool value) : kind(Kind::boolean), boolean(value) {}
  Json(double value) : kind(Kind::real), real(value) {}
  Json(int value) : kind(Kind::integer), text(std::to_string(value)) {}
  Json(std::int64_t value) : kind(Kind::integer), text(std::to_string(value)) {}
  Json(std::uint64_t value) : kind(Kind::integer), text(std::to_string(value)) {}
  Json(const char* value) : kind(Kind::text), text(value) {}
  Json(std::string value) : kind(Kind::text), text(std::move(value)) {}
  static Json array() { return of(Kind::array); }
  static Json object() { return of(Kind::object); }

  // Appends to an object or an array; returns *this, so that calls chain.
  Json& set(std::string key, Json value);
  Json& add(Json value);
  const Json* find(std::string_view key) const;
  bool operator==(const Json& other) const;  // the order of an object's keys does not matter
  bool operator!=(const Json& other) const { return !(*this == other); }
  std::string dump() const;  // NaN and infinities become the strings that metric logs use

 private:
  static Json of(Kind kind) {
    Json value;
    value.kind = kind;
    return value;
  }
};

// The value of a whole JSON text, or nothing and the reason in `error`. Keys that come twice are an error.
std::optional<Json> parse_json(std::string_view text, std::string& error);

// A double as Python's repr writes it: the shortest digits that read back as the same number.
std::string python_repr(double value);

// As strtod, but with a point for a point whatever the program's locale is.
double to_double(const char* text);

// Whether the bytes are UTF-8 with neither surrogates nor overlong forms.
bool is_utf8(std::string_view text);

}  // namespace strobe
