#include "kernel/config/schema.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>

#include <algorithm>
#include <limits>
#include <mutex>

#include "corral/error.h"
#include "kernel/config/host_schema.h"

namespace corral::config {
namespace pb = google::protobuf;

namespace {

constexpr Section kSections[] = {
    {"model", "model", "model.plugin", false},
    {"optimizer", "optimizer", "optimizer.plugin", false},
    {"precision", "precision", "precision.plugin", false},
    {"data", "dataset", "data.plugin", false},
    {"tokenizer", "tokenizer", "tokenizer.plugin", false},
    {"peft", "peft", "peft.plugin", false},
    {"checkpoint", "checkpoint", "checkpoint.format", false},
    {"device", "device", "device.plugin", false},
    {"collective", "collective", "collective.plugin", false},
    {"tracker", "tracker", "tracker.plugins", true},
};

constexpr int kMinOption = 50001;  // (min) of config.proto
constexpr int kMaxOptionDepth = 8;

struct FirstDescriptorError final : pb::DescriptorPool::ErrorCollector {
  void AddError(const std::string&, const std::string& element, const pb::Message*, ErrorLocation, const std::string& message) override {
    if (text.empty()) text = element + ": " + message;
  }
  std::string text;
};

std::string help_of(const pb::FieldDescriptor& field) {
  pb::SourceLocation location;
  if (!field.GetSourceLocation(&location)) return "";
  std::string text = location.leading_comments;
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  text.erase(0, text.find_first_not_of(' '));
  return text;
}

struct Range {
  double min, max;
};

Range range_of(const pb::FieldDescriptor& field) {
  Range range{-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      range = {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
      break;
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      range = {0, std::numeric_limits<uint32_t>::max()};
      break;
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      range.min = 0;
      break;
    default:
      break;
  }
  const pb::UnknownFieldSet& options = field.options().unknown_fields();
  for (int i = 0; i < options.field_count(); ++i)
    if (options.field(i).number() == kMinOption && options.field(i).type() == pb::UnknownField::TYPE_VARINT)
      range.min = static_cast<double>(static_cast<int64_t>(options.field(i).varint()));
  return range;
}

// Sets type and default. Returns false for a type that no option may have.
bool describe(const pb::FieldDescriptor& from, Field& to) {
  switch (from.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      to.type = Field::kBool;
      to.initial = from.default_value_bool();
      return true;
    case pb::FieldDescriptor::CPPTYPE_INT32:
      to.type = Field::kInteger;
      to.initial = static_cast<int64_t>(from.default_value_int32());
      return true;
    case pb::FieldDescriptor::CPPTYPE_INT64:
      to.type = Field::kInteger;
      to.initial = static_cast<int64_t>(from.default_value_int64());
      return true;
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      to.type = Field::kInteger;
      to.initial = static_cast<int64_t>(from.default_value_uint32());
      return true;
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      to.type = Field::kInteger;
      to.initial = static_cast<int64_t>(from.default_value_uint64());
      return true;
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      to.type = Field::kNumber;
      to.initial = static_cast<double>(from.default_value_float());
      return true;
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      to.type = Field::kNumber;
      to.initial = from.default_value_double();
      return true;
    case pb::FieldDescriptor::CPPTYPE_STRING:
      to.type = Field::kText;
      to.initial = from.default_value_string();
      return true;
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      to.type = Field::kText;
      to.initial = from.default_value_enum()->name();
      for (int i = 0; i < from.enum_type()->value_count(); ++i) to.choices.push_back(from.enum_type()->value(i)->name());
      return true;
    default:
      return false;
  }
}

size_t initial_index(const pb::FieldDescriptor& field) {
  Field described;
  if (field.is_repeated()) return Value(std::vector<std::string>{}).index();
  return describe(field, described) ? described.initial.index() : std::variant_npos;
}

void put(pb::Message& message, const pb::FieldDescriptor& field, const Value& value) {
  const pb::Reflection& set = *message.GetReflection();
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return set.SetBool(&message, &field, std::get<bool>(value));
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return set.SetInt32(&message, &field, static_cast<int32_t>(std::get<int64_t>(value)));
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return set.SetInt64(&message, &field, std::get<int64_t>(value));
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return set.SetUInt32(&message, &field, static_cast<uint32_t>(std::get<int64_t>(value)));
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return set.SetUInt64(&message, &field, static_cast<uint64_t>(std::get<int64_t>(value)));
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return set.SetFloat(&message, &field, static_cast<float>(std::get<double>(value)));
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return set.SetDouble(&message, &field, std::get<double>(value));
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return set.SetEnum(&message, &field, field.enum_type()->FindValueByName(std::get<std::string>(value)));
    default:
      return set.SetString(&message, &field, std::get<std::string>(value));
  }
}

void put_all(pb::Message& message, const std::string& prefix, const std::map<std::string, Value>& values) {
  const pb::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor& field = *type.field(i);
    const std::string key = prefix + field.name();
    if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE) {
      put_all(*message.GetReflection()->MutableMessage(&message, &field), key + ".", values);
      continue;
    }
    const auto found = values.find(key);
    if (found == values.end()) continue;
    // An option with the name of a host's key may have another type than that key.
    if (found->second.index() != initial_index(field)) fail_bug("{}: the plugin's option has another type than the key of that name", key);
    if (field.is_repeated()) {
      for (const std::string& item : std::get<std::vector<std::string>>(found->second))
        message.GetReflection()->AddString(&message, &field, item);
    } else {
      put(message, field, found->second);
    }
  }
}

Value get_one(const pb::Message& message, const pb::FieldDescriptor& field) {
  const pb::Reflection& r = *message.GetReflection();
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return r.GetBool(message, &field);
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return int64_t{r.GetInt32(message, &field)};
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return int64_t{r.GetInt64(message, &field)};
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return int64_t{r.GetUInt32(message, &field)};
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<int64_t>(r.GetUInt64(message, &field));
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return double{r.GetFloat(message, &field)};
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return r.GetDouble(message, &field);
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return r.GetEnum(message, &field)->name();
    default:
      return r.GetString(message, &field);
  }
}

void get_all(const pb::Message& message, const std::string& prefix, std::map<std::string, Value>& values) {
  const pb::Descriptor& type = *message.GetDescriptor();
  const pb::Reflection& r = *message.GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor& field = *type.field(i);
    const std::string key = prefix + field.name();
    if (field.is_repeated()) {
      std::vector<std::string> list;
      for (int k = 0; k < r.FieldSize(message, &field); ++k) list.push_back(r.GetRepeatedString(message, &field, k));
      values.emplace(key, std::move(list));
    } else if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE) {
      get_all(r.GetMessage(message, &field), key + ".", values);
    } else {
      values.emplace(key, get_one(message, field));
    }
  }
}

}  // namespace

std::span<const Section> sections() { return kSections; }

const Section* section_of(const std::string& key) {
  const std::string prefix = key.substr(0, key.find('.'));
  for (const Section& section : kSections)
    if (prefix == section.prefix) return &section;
  return nullptr;
}

const Section* section_of_kind(const std::string& kind) {
  for (const Section& section : kSections)
    if (kind == section.kind) return &section;
  return nullptr;
}

struct Schema::Descriptors {
  pb::DescriptorPool pool;
  const pb::Descriptor* options = nullptr;

  // Finds the message `name` in the set's last file. `who` is for messages.
  Descriptors(const std::string& bytes, const std::string& name, const std::string& who) {
    pb::FileDescriptorSet files;
    if (!files.ParseFromString(bytes) || files.file_size() == 0) fail_bug("{}: its options are not a descriptor set", who);
    const pb::FileDescriptor* last = nullptr;
    for (const pb::FileDescriptorProto& file : files.file()) {
      for (const std::string& needed : file.dependency())
        if (needed == "google/protobuf/descriptor.proto" && !pool.FindFileByName(needed)) {
          pb::FileDescriptorProto own;
          pb::FileDescriptorProto::descriptor()->file()->CopyTo(&own);
          pool.BuildFile(own);
        }
      if (pool.FindFileByName(file.name())) continue;
      FirstDescriptorError error;
      last = pool.BuildFileCollectingErrors(file, &error);
      if (!last) fail_bug("{}: its options cannot be read: {}", who, error.text);
    }
    options = last ? last->FindMessageTypeByName(name) : nullptr;
    if (!options) fail_bug("{}: its options have no message {}", who, name);
  }
};

// Made once for all schemas of the process, as `corral recipes` makes one for each recipe.
std::shared_ptr<const Schema::Descriptors> Schema::descriptors_of(const std::string& bytes, const std::string& name,
                                                                  const std::string& who) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Descriptors>> made;
  const std::lock_guard lock(mutex);
  auto& slot = made[name + "\n" + bytes];
  if (!slot) slot = std::make_shared<const Descriptors>(bytes, name, who);
  return slot;
}

Schema::Schema() {
  const auto host = descriptors_of(std::string(host_schema()), "RunConfig", "config.proto");
  for (int i = 0; i < host->options->field_count(); ++i) {
    const pb::FieldDescriptor& section = *host->options->field(i);
    section_order_.push_back(section.name());
    add_fields(*section.message_type(), section.name() + ".", 0);
  }
}

Schema::~Schema() = default;
Schema::Schema(Schema&&) noexcept = default;

namespace {
// A plugin without options gets the empty message.
std::string no_options() {
  pb::FileDescriptorSet set;
  pb::FileDescriptorProto& file = *set.add_file();
  file.set_name("options.proto");
  file.add_message_type()->set_name("Options");
  return set.SerializeAsString();
}
}  // namespace

void Schema::add(const Section& section, const PluginSchema& plugin) {
  auto& slot = plugins_[{plugin.kind, plugin.name}];
  if (slot) return;
  const std::string who = "plugin " + plugin.kind + "/" + plugin.name;
  slot = descriptors_of(plugin.descriptor_set.empty() ? no_options() : plugin.descriptor_set, "Options", who);
  add_fields(*slot->options, std::string(section.prefix) + "." + (section.named ? plugin.name + "." : ""), 0);
}

void Schema::add_fields(const pb::Descriptor& message, const std::string& prefix, int depth) {
  if (depth > kMaxOptionDepth) fail_bug("{}: options nest deeper than {}", prefix, kMaxOptionDepth);
  for (int i = 0; i < message.field_count(); ++i) {
    const pb::FieldDescriptor& from = *message.field(i);
    const std::string key = prefix + from.name();
    if (from.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE && !from.is_repeated()) {
      add_fields(*from.message_type(), key + ".", depth + 1);
      continue;
    }
    // An option that is named like a key of the host gets the host's value.
    if (find(key)) continue;
    Field field;
    field.key = key;
    field.help = help_of(from);
    const Range range = range_of(from);
    field.min = range.min;
    field.max = range.max;
    if (from.is_repeated()) {
      if (from.cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING) fail_bug("{}: a repeated option must be of strings", key);
      field.type = Field::kList;
      field.initial = std::vector<std::string>{};
    } else if (!describe(from, field)) {
      fail_bug("{}: an option cannot have the type {}", key, from.type_name());
    }
    by_section_[key.substr(0, key.find('.'))].push_back(std::move(field));
  }
}

const Field* Schema::find(const std::string& key) const {
  const auto section = by_section_.find(key.substr(0, key.find('.')));
  if (section == by_section_.end()) return nullptr;
  for (const Field& field : section->second)
    if (field.key == key) return &field;
  return nullptr;
}

std::vector<const Field*> Schema::fields() const {
  std::vector<const Field*> all;
  for (const std::string& name : section_order_)
    for (const Field& field : by_section_.at(name)) all.push_back(&field);
  return all;
}

std::vector<std::string> Schema::keys() const {
  std::vector<std::string> all;
  for (const Field* field : fields()) all.push_back(field->key);
  return all;
}

std::string Schema::encode(const Section& section, const std::string& plugin, const std::map<std::string, Value>& values) const {
  const auto found = plugins_.find({section.kind, plugin});
  if (found == plugins_.end()) fail_bug("the options of {}/{} are not part of this configuration", section.kind, plugin);
  pb::DynamicMessageFactory factory(&found->second->pool);
  const std::unique_ptr<pb::Message> message(factory.GetPrototype(found->second->options)->New());
  put_all(*message, std::string(section.prefix) + "." + (section.named ? plugin + "." : ""), values);
  std::string bytes;
  message->SerializeToString(&bytes);
  return bytes;
}

std::map<std::string, Value> Schema::decode(const Section& section, const std::string& plugin, const std::string& bytes) const {
  const auto found = plugins_.find({section.kind, plugin});
  if (found == plugins_.end()) fail_bug("the options of {}/{} are not part of this configuration", section.kind, plugin);
  pb::DynamicMessageFactory factory(&found->second->pool);
  const std::unique_ptr<pb::Message> message(factory.GetPrototype(found->second->options)->New());
  if (!message->ParseFromString(bytes)) fail_bug("plugin {}/{} gave options that are not its own", section.kind, plugin);
  std::map<std::string, Value> values;
  get_all(*message, std::string(section.prefix) + "." + (section.named ? plugin + "." : ""), values);
  return values;
}

}  // namespace corral::config
