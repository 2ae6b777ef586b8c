// protoc-gen-corral: generates one header of plain structs per .proto file; they read and write their wire bytes with protozero.
// Each struct keeps unknown fields in `unknown` and writes them back, so that a message survives an older reader.
#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/compiler/plugin.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/printer.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace {
using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::io::Printer;

struct Wire {
  const char* cpp;     // C++ type
  const char* method;  // get_METHOD, add_METHOD of protozero
};

Wire wire(const FieldDescriptor* f) {
  switch (f->type()) {
    case FieldDescriptor::TYPE_DOUBLE: return {"double", "double"};
    case FieldDescriptor::TYPE_FLOAT: return {"float", "float"};
    case FieldDescriptor::TYPE_INT64: return {"int64_t", "int64"};
    case FieldDescriptor::TYPE_UINT64: return {"uint64_t", "uint64"};
    case FieldDescriptor::TYPE_INT32: return {"int32_t", "int32"};
    case FieldDescriptor::TYPE_UINT32: return {"uint32_t", "uint32"};
    case FieldDescriptor::TYPE_SINT64: return {"int64_t", "sint64"};
    case FieldDescriptor::TYPE_SINT32: return {"int32_t", "sint32"};
    case FieldDescriptor::TYPE_FIXED64: return {"uint64_t", "fixed64"};
    case FieldDescriptor::TYPE_FIXED32: return {"uint32_t", "fixed32"};
    case FieldDescriptor::TYPE_BOOL: return {"bool", "bool"};
    case FieldDescriptor::TYPE_STRING: return {"std::string", "string"};
    case FieldDescriptor::TYPE_BYTES: return {"std::string", "bytes"};
    case FieldDescriptor::TYPE_ENUM: return {"", "enum"};
    case FieldDescriptor::TYPE_MESSAGE: return {"", "message"};
    default: return {nullptr, nullptr};
  }
}

// Nested types become flat names: WeightEntry.Kind is WeightEntry_Kind.
template <class D>
std::string flat_name(const D* d) {
  return d->containing_type() ? flat_name(d->containing_type()) + "_" + d->name() : d->name();
}

std::string namespace_of(const FileDescriptor* file) {
  std::string ns;
  for (char c : file->package()) ns += c == '.' ? std::string("::") : std::string(1, c);
  return ns;
}

std::string qualified(const std::string& name, const FileDescriptor* of) { return "::" + namespace_of(of) + "::" + name; }

std::string type_of(const FieldDescriptor* f) {
  if (f->type() == FieldDescriptor::TYPE_ENUM) return qualified(flat_name(f->enum_type()), f->enum_type()->file());
  if (f->type() == FieldDescriptor::TYPE_MESSAGE) return qualified(flat_name(f->message_type()), f->message_type()->file());
  return wire(f).cpp;
}

bool is_text(const FieldDescriptor* f) { return f->cpp_type() == FieldDescriptor::CPPTYPE_STRING; }

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') out += "\\n";
    else out += c;
  }
  return out + '"';
}

std::string default_of(const FieldDescriptor* f) {
  switch (f->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return std::to_string(f->default_value_int32());
    case FieldDescriptor::CPPTYPE_INT64: return std::to_string(f->default_value_int64());
    case FieldDescriptor::CPPTYPE_UINT32: return std::to_string(f->default_value_uint32());
    case FieldDescriptor::CPPTYPE_UINT64: return std::to_string(f->default_value_uint64());
    case FieldDescriptor::CPPTYPE_BOOL: return f->default_value_bool() ? "true" : "false";
    case FieldDescriptor::CPPTYPE_STRING: return quoted(f->default_value_string());
    case FieldDescriptor::CPPTYPE_ENUM: return type_of(f) + "::" + f->default_value_enum()->name();
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const double value = f->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT ? f->default_value_float() : f->default_value_double();
      char text[40];
      snprintf(text, sizeof text, "%.17g", value);
      return text;
    }
    default: return "";
  }
}

void print_enum(const EnumDescriptor* e, Printer& p) {
  p.Print("enum class $n$ : int32_t {\n", "n", flat_name(e));
  for (int i = 0; i < e->value_count(); ++i)
    p.Print("  $n$ = $v$,\n", "n", e->value(i)->name(), "v", std::to_string(e->value(i)->number()));
  p.Print("};\n\n");
}

void print_decode_field(const FieldDescriptor* f, Printer& p) {
  std::map<std::string, std::string> v{
      {"n", f->name()}, {"t", type_of(f)}, {"m", wire(f).method}, {"num", std::to_string(f->number())}};
  p.Print(v, "        case $num$: ");
  if (f->type() == FieldDescriptor::TYPE_MESSAGE) {
    if (f->is_repeated()) p.Print(v, "m.$n$.push_back($t$::decode(r.get_view())); break;\n");
    else p.Print(v, "m.$n$ = $t$::decode(r.get_view()); break;\n");
  } else if (is_text(f)) {
    if (f->is_repeated()) p.Print(v, "m.$n$.push_back(std::string(r.get_view())); break;\n");
    else p.Print(v, "m.$n$ = std::string(r.get_view()); break;\n");
  } else if (f->is_repeated()) {
    p.Print(v,
            "if (r.wire_type() == protozero::pbf_wire_type::length_delimited) { for (auto v : r.get_packed_$m$()) "
            "m.$n$.push_back(static_cast<$t$>(v)); } else m.$n$.push_back(static_cast<$t$>(r.get_$m$())); break;\n");
  } else {
    p.Print(v, "m.$n$ = static_cast<$t$>(r.get_$m$()); break;\n");
  }
}

void print_encode_field(const FieldDescriptor* f, Printer& p) {
  std::map<std::string, std::string> v{{"n", f->name()}, {"t", type_of(f)}, {"m", wire(f).method}, {"num", std::to_string(f->number())}};
  v["cast"] = f->type() == FieldDescriptor::TYPE_ENUM ? "static_cast<int32_t>" : "";
  v["default"] = default_of(f);
  const bool explicit_presence = f->file()->syntax() == FileDescriptor::SYNTAX_PROTO2;
  if (f->type() == FieldDescriptor::TYPE_MESSAGE) {
    if (f->is_repeated()) p.Print(v, "    for (const auto& x : $n$) to_.add_message($num$, x.encode());\n");
    else p.Print(v, "    if (const std::string x = $n$.encode(); !x.empty()) to_.add_message($num$, x);\n");
  } else if (f->is_repeated() && is_text(f)) {
    p.Print(v, "    for (const auto& x : $n$) to_.add_$m$($num$, x);\n");
  } else if (f->is_repeated() && f->type() == FieldDescriptor::TYPE_ENUM) {
    p.Print(v, "    for (auto x : $n$) to_.add_enum($num$, static_cast<int32_t>(x));\n");
  } else if (f->is_repeated()) {
    p.Print(v, "    to_.add_packed_$m$($num$, $n$.begin(), $n$.end());\n");
  } else if (explicit_presence) {
    p.Print(v, "    to_.add_$m$($num$, $cast$($n$));\n");
  } else if (is_text(f)) {
    p.Print(v, "    if (!$n$.empty()) to_.add_$m$($num$, $n$);\n");
  } else {
    p.Print(v, "    if ($n$ != $t${}) to_.add_$m$($num$, $cast$($n$));\n");
  }
}

// Orders the structs so that each follows those that it contains.
void collect(const Descriptor* d, std::vector<const Descriptor*>& order, std::set<const Descriptor*>& seen) {
  if (!seen.insert(d).second) return;
  for (int i = 0; i < d->field_count(); ++i)
    if (const Descriptor* held = d->field(i)->message_type(); held && held->file() == d->file()) collect(held, order, seen);
  for (int i = 0; i < d->nested_type_count(); ++i) collect(d->nested_type(i), order, seen);
  order.push_back(d);
}

void print_enums(const Descriptor* d, Printer& p) {
  for (int i = 0; i < d->enum_type_count(); ++i) print_enum(d->enum_type(i), p);
  for (int i = 0; i < d->nested_type_count(); ++i) print_enums(d->nested_type(i), p);
}

void print_message(const Descriptor* d, Printer& p) {
  p.Print("struct $n$ {\n", "n", flat_name(d));
  for (int i = 0; i < d->field_count(); ++i) {
    const FieldDescriptor* f = d->field(i);
    if (f->is_repeated()) p.Print("  std::vector<$t$> $n$;\n", "t", type_of(f), "n", f->name());
    else if (f->type() == FieldDescriptor::TYPE_MESSAGE) p.Print("  $t$ $n$;\n", "t", type_of(f), "n", f->name());
    else p.Print("  $t$ $n$ = $d$;\n", "t", type_of(f), "n", f->name(), "d", default_of(f));
  }
  p.Print("  std::string unknown;\n\n");
  p.Print("  static $n$ decode(protozero::data_view bytes) {\n    $n$ m;\n    protozero::pbf_reader r(bytes);\n", "n", flat_name(d));
  p.Print("    const char* start = bytes.data();\n    while (r.next()) {\n      switch (r.tag()) {\n");
  for (int i = 0; i < d->field_count(); ++i) print_decode_field(d->field(i), p);
  p.Print(
      "        default: r.skip(); m.unknown.append(start, r.data().data()); break;\n      }\n      start = r.data().data();\n    }\n"
      "    return m;\n  }\n");
  p.Print("  static $n$ decode(const void* data, uint64_t size) { return decode(protozero::data_view(static_cast<const char*>(data), size)); }\n",
          "n", flat_name(d));
  p.Print("  std::string encode() const {\n    std::string bytes_;\n    protozero::pbf_writer to_(bytes_);\n");
  for (int i = 0; i < d->field_count(); ++i) print_encode_field(d->field(i), p);
  p.Print("    bytes_ += unknown;\n    return bytes_;\n  }\n};\n\n");
}

class Generator final : public google::protobuf::compiler::CodeGenerator {
 public:
  uint64_t GetSupportedFeatures() const override { return FEATURE_PROTO3_OPTIONAL; }

  bool Generate(const FileDescriptor* file, const std::string&, google::protobuf::compiler::GeneratorContext* context,
                std::string* error) const override {
    std::string base = file->name().substr(0, file->name().rfind('.'));
    std::unique_ptr<google::protobuf::io::ZeroCopyOutputStream> out(context->Open(base + ".wire.h"));
    Printer p(out.get(), '$');
    p.Print("// Made by protoc-gen-corral from $f$.\n#pragma once\n\n", "f", file->name());
    p.Print("#include <cstdint>\n#include <string>\n#include <vector>\n\n#include \"corral/wire.h\"\n");
    for (int i = 0; i < file->dependency_count(); ++i) {
      const std::string& name = file->dependency(i)->name();
      if (name.rfind("google/", 0) != 0) p.Print("\n#include \"$n$.wire.h\"", "n", name.substr(0, name.rfind('.')));
    }
    p.Print("\n\nnamespace $ns$ {\n\n", "ns", namespace_of(file));
    for (int i = 0; i < file->enum_type_count(); ++i) print_enum(file->enum_type(i), p);
    std::vector<const Descriptor*> order;
    std::set<const Descriptor*> seen;
    for (int i = 0; i < file->message_type_count(); ++i) {
      if (!check(file->message_type(i), error)) return false;
      print_enums(file->message_type(i), p);
      collect(file->message_type(i), order, seen);
    }
    for (const Descriptor* d : order) print_message(d, p);
    p.Print("}  // namespace $ns$\n", "ns", namespace_of(file));
    return true;
  }

 private:
  static bool check(const Descriptor* d, std::string* error) {
    for (int i = 0; i < d->field_count(); ++i) {
      const FieldDescriptor* f = d->field(i);
      if (wire(f).cpp == nullptr || f->is_map() || f->real_containing_oneof()) {
        *error = f->full_name() + ": groups, maps, oneofs and sfixed types are not supported by protoc-gen-corral";
        return false;
      }
    }
    for (int i = 0; i < d->nested_type_count(); ++i)
      if (!check(d->nested_type(i), error)) return false;
    return true;
  }
};
}  // namespace

int main(int argc, char** argv) {
  Generator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
