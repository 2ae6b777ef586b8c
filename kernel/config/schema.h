// The keys of a configuration: those of sdk/proto/config.proto, and the options of the chosen plugins.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "kernel/config/plugin_schemas.h"
#include "kernel/config/textproto.h"

namespace google::protobuf {
class Descriptor;
}

namespace corral::config {

using Value = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

struct Field {
  enum Type { kBool, kInteger, kNumber, kText, kList };
  std::string key;
  Type type = kText;
  Value initial;  // the default
  std::string help;
  double min = 0, max = 0;           // of integers and numbers
  std::vector<std::string> choices;  // of texts; empty: any
};

// A part of the keys whose options belong to the plugin that `selector` names.
struct Section {
  const char* prefix;
  const char* kind;
  const char* selector;
  bool named;  // several plugins at once: options of one are PREFIX.NAME.OPTION
};
std::span<const Section> sections();
const Section* section_of(const std::string& key);  // null for keys that only the host reads
const Section* section_of_kind(const std::string& kind);

class Schema {
 public:
  Schema();  // the host's keys
  ~Schema();
  Schema(Schema&&) noexcept;

  // Adds the options of a plugin. Throws corral::Error (4) if its descriptor set is malformed.
  void add(const Section& section, const PluginSchema& plugin);

  const Field* find(const std::string& key) const;
  std::vector<const Field*> fields() const;  // in the order of config.proto, a section's plugin options after its own keys
  std::vector<std::string> keys() const;

  // Encodes the values of a plugin's options as its message Options. `lookup` gives the value of a key.
  std::string encode(const Section& section, const std::string& plugin, const std::map<std::string, Value>& values) const;
  // Decodes them: the value of every key of the plugin's options. Throws corral::Error (4) if the bytes are not Options of the plugin.
  std::map<std::string, Value> decode(const Section& section, const std::string& plugin, const std::string& bytes) const;

 private:
  struct Descriptors;
  static std::shared_ptr<const Descriptors> descriptors_of(const std::string& bytes, const std::string& name, const std::string& who);
  void add_fields(const google::protobuf::Descriptor& message, const std::string& prefix, int depth);
  std::map<std::string, std::vector<Field>> by_section_;  // first component of the key
  std::vector<std::string> section_order_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const Descriptors>> plugins_;  // kind, name
};

// The expected value in words, such as "an integer", for errors.
std::string expected(const Field& field);

// The value of these literals; empty if they do not fit the field's type, range or choices.
std::optional<Value> convert(const Field& field, const std::vector<Literal>& literals);

// The value of a key that no plugin describes; its type follows from its spelling.
Value convert_freely(const std::vector<Literal>& literals, bool is_list);

// The value in the text format, such as 3e-05, "text" or ["a", "b"]. Reading it back gives the same value.
std::string to_text(const Value& value);

// The value for users: a text without quotes.
std::string to_display(const std::vector<Literal>& literals);

}  // namespace corral::config
