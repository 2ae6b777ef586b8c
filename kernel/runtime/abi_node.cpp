#include "kernel/runtime/abi_node.h"

#include <algorithm>

namespace corral::runtime {
namespace {

template <class T>
void append(std::string& bytes, const T* values, uint64_t count) {
  bytes.append(reinterpret_cast<const char*>(&count), sizeof count);
  bytes.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

void append(std::string& bytes, const char* text) { append(bytes, text, std::char_traits<char>::length(text)); }

}  // namespace

AbiNode::AbiNode(const Graph& g, const Node& n) {
  layouts_.reserve(n.inputs.size() + n.outputs.size());
  for (TensorId t : n.inputs) inputs_.push_back(layout(g, t));
  for (TensorId t : n.outputs) outputs_.push_back(layout(g, t));
  const graph::OpDef* const def = graph::try_op(op_of(g, n));
  attributes_.reserve(n.attributes.size());
  for (const Attribute& a : n.attributes) attributes_.push_back(attribute(g, a, def));
  for (const corral_attribute& a : attributes_) attribute_pointers_.push_back(&a);
  node_ = {CORRAL_SIZE(corral_node),
           op_of(g, n).c_str(),
           static_cast<uint32_t>(inputs_.size()),
           static_cast<uint32_t>(outputs_.size()),
           static_cast<uint32_t>(attributes_.size()),
           n.accumulate,
           inputs_.data(),
           outputs_.data(),
           attribute_pointers_.data()};
}

std::string AbiNode::key() const {
  std::string key;
  append(key, node_.op);
  append(key, &node_.accumulate, 1);
  for (const auto* operands : {&inputs_, &outputs_}) {
    const uint64_t count = operands->size();
    append(key, &count, 1);
    for (const corral_layout* l : *operands) {
      append(key, l ? &l->dtype : nullptr, l != nullptr);
      if (l) append(key, l->shape, l->rank);
    }
  }
  for (const corral_attribute& a : attributes_) {
    append(key, a.name);
    append(key, a.integers, a.integers ? a.count : 0);
    append(key, a.numbers, a.numbers ? a.count : 0);
    append(key, a.text ? a.text : "");
  }
  return key;
}

const corral_layout* AbiNode::layout(const Graph& g, TensorId t) {
  if (t == 0) return nullptr;
  const Tensor& tensor = g.tensors[t];
  layouts_.push_back({CORRAL_SIZE(corral_layout), static_cast<uint32_t>(tensor.dtype), static_cast<uint32_t>(tensor.shape.size()),
                      tensor.shape.data(), nullptr});
  return &layouts_.back();
}

// Only a known operation states the kind of an attribute. For another operation the kind follows from the member that is set; a zero is
// passed as integer and as number.
corral_attribute AbiNode::attribute(const Graph& g, const Attribute& a, const graph::OpDef* def) {
  corral_attribute result{CORRAL_SIZE(corral_attribute), g.names[a.name].c_str(), nullptr, nullptr, nullptr, 0};
  if (def) {
    const auto known =
        std::find_if(def->attrs.begin(), def->attrs.end(), [&](const graph::AttrDef& d) { return d.name == g.names[a.name]; });
    switch (known == def->attrs.end() ? graph::AttrKind::kText : known->kind) {
      case graph::AttrKind::kInteger:
        result.integers = &a.integer, result.count = 1;
        break;
      case graph::AttrKind::kNumber:
        result.numbers = &a.number, result.count = 1;
        break;
      case graph::AttrKind::kNumbers:
        result.numbers = a.numbers.data(), result.count = a.numbers.size();
        break;
      case graph::AttrKind::kText:
        result.text = a.text.c_str();
        break;
    }
  } else if (!a.text.empty()) {
    result.text = a.text.c_str();
  } else if (!a.numbers.empty()) {
    result.numbers = a.numbers.data(), result.count = a.numbers.size();
  } else if (!a.integers.empty()) {
    result.integers = a.integers.data(), result.count = a.integers.size();
  } else {
    result.numbers = a.integer != 0 ? nullptr : &a.number;
    result.integers = a.number != 0 ? nullptr : &a.integer;
    result.count = 1;
  }
  return result;
}

}  // namespace corral::runtime
