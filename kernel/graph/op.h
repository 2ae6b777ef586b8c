// What an operation is: axes, shape rule, gradient rule, float64 reference, cases. One file each in ops/; the build makes the table from
// the folder.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corral/error.h"
#include "corral/graph.h"

namespace corral::graph {

struct TensorType {
  DType dtype = DType::F32;
  Shape shape;
};

struct OpDef;

// Operand names and order of a node, as its axes name them.
struct Operands {
  std::vector<std::string> inputs, outputs;
  std::vector<std::vector<std::string>> input_axes, output_axes;  // "..." stands for any number of leading axes
  std::vector<bool> optional;                                     // inputs that may be absent
  std::vector<bool> optional_outputs;                             // outputs that may be absent, and are not computed then
};

// Parses "x: ... d, w?: d -> y: ... d"; throws a bug where the text is malformed.
Operands parse_axes(std::string_view axes);

enum class AttrKind { kInteger, kNumber, kText, kNumbers };

struct AttrDef {
  std::string name;
  AttrKind kind = AttrKind::kNumber;
  double otherwise = 0;  // for numbers and integers
};

using Attrs = std::vector<NamedAttribute>;

// What every rule sees of a node.
class NodeCall {
 public:
  NodeCall(const OpDef& def, const Attrs& attrs, std::string where);
  const OpDef& def;
  const Operands& operands;
  double attr(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  const std::vector<double>& numbers(std::string_view name) const;
  const Attrs& attrs() const { return attrs_; }
  const std::string& where() const { return where_; }

 protected:
  size_t index(const std::vector<std::string>& names, std::string_view name) const;
  const Attribute* find(std::string_view name) const;
  const AttrDef& attr_def(std::string_view name) const;
  const Attrs& attrs_;
  std::string where_;  // for messages: operation and scope
};

class ShapeCall : public NodeCall {
 public:
  ShapeCall(const OpDef& def, const Attrs& attrs, std::string where, std::vector<const TensorType*> inputs)
      : NodeCall(def, attrs, std::move(where)), inputs_(std::move(inputs)) {}
  const Shape& operator[](std::string_view name) const { return type(name).shape; }
  DType dtype(std::string_view name) const { return type(name).dtype; }
  bool has(std::string_view name) const { return inputs_[index(operands.inputs, name)] != nullptr; }
  // Fails with the operand's shape where `good` is false.
  void require(bool good, std::string_view operand, std::string_view sentence) const;

 private:
  const TensorType& type(std::string_view name) const;
  std::vector<const TensorType*> inputs_;
};

// Emits backward nodes.
class GradCall : public NodeCall {
 public:
  using Emit = std::function<std::vector<TensorId>(const std::string& op, const std::vector<TensorId>& inputs, const Attrs& attrs)>;
  GradCall(const OpDef& def, const Attrs& attrs, std::string where, const Node& node, std::vector<TensorId> output_gradients,
           std::vector<bool> needed, Emit emit);
  TensorId in(std::string_view name) const { return node_.inputs[index(operands.inputs, name)]; }
  TensorId out(std::string_view name) const { return node_.outputs[index(operands.outputs, name)]; }
  TensorId dout(std::string_view name) const { return output_gradients_[index(operands.outputs, name)]; }  // 0: none
  bool needs(std::string_view input) const { return needed_[index(operands.inputs, input)]; }
  std::vector<TensorId> emit(const std::string& op, const std::vector<TensorId>& inputs, const Attrs& attributes = {}) const {
    return emit_(op, inputs, attributes);
  }
  void set(std::string_view input, TensorId gradient) { gradients[index(operands.inputs, input)] = gradient; }
  NamedAttribute same(std::string_view name) const;  // an attribute of the forward node

  std::vector<TensorId> gradients;

 private:
  const Node& node_;
  std::vector<TensorId> output_gradients_;
  std::vector<bool> needed_;
  Emit emit_;
};

// Runs in float64; integers are whole numbers in float64 too.
class RefCall : public NodeCall {
 public:
  struct Value {
    Shape shape;
    std::span<double> data;
    DType dtype = DType::F64;
  };
  // `rounds`: as on a device that rounds between, see OpDef.
  RefCall(const OpDef& def, const Attrs& attrs, std::string where, std::vector<const Value*> inputs, std::vector<const Value*> outputs,
          bool rounds = false)
      : NodeCall(def, attrs, std::move(where)), inputs_(std::move(inputs)), outputs_(std::move(outputs)), rounds_(rounds) {}
  std::span<const double> in(std::string_view name) const { return inputs_[index(operands.inputs, name)]->data; }
  std::span<double> out(std::string_view name) const { return outputs_[index(operands.outputs, name)]->data; }
  bool has(std::string_view name) const { return inputs_[index(operands.inputs, name)] != nullptr; }
  bool writes(std::string_view name) const { return outputs_[index(operands.outputs, name)] != nullptr; }
  const Shape& shape(std::string_view name) const;
  // What is multiplied by this input: rounded to its type on a device that rounds between.
  double beside(std::string_view input, double value) const;

 private:
  std::vector<const Value*> inputs_, outputs_;
  bool rounds_;
};

// One case of the tests: shapes by input name; an input without one is absent. Values are drawn from [low, high) where `ranges` has the
// input, from [-1, 1) otherwise; `values` gives them outright. `types` of inputs that are of a format of eight or four bits.
struct Case {
  std::map<std::string, Shape> shapes{};
  Attrs attrs{};
  std::map<std::string, std::pair<double, double>> ranges{};
  std::map<std::string, std::vector<double>> values{};
  std::map<std::string, DType> types{};
};

enum class TypeClass { kFloating, kLow, kFloatingOrLow };  // kLow: a format of eight or four bits

struct OpDef {
  std::string name{};
  std::map<std::string, std::string> axes{};  // by the value of the attribute `role`; "" where there is no role
  std::string whole{};                        // axes that may not be cut, separated by spaces
  std::vector<AttrDef> attrs{};
  std::map<std::string, DType> types{};  // of operands that have one type only
  std::map<std::string, TypeClass>
      classes{};  // of operands that may have other types than any floating one; an output's shape rule says which
  std::vector<TensorType> (*shape)(const ShapeCall&) = nullptr;
  void (*gradient)(GradCall&) = nullptr;  // null: no gradient flows through
  void (*reference)(const RefCall&) = nullptr;
  // A conversion between ranks: the reference for all ranks of a mesh dimension in their order, and no operation of a device.
  void (*exchange)(std::span<const RefCall> ranks) = nullptr;
  bool cuts = false;                             // leading axes of an output may be parts or multiples of the input's
  bool cheap = false;                            // recomputing it costs less than keeping its output
  bool rounds_between = false;                   // a device may round what it makes and multiplies on the way (RefCall::beside)
  std::vector<std::string> accumulates{};        // outputs that may be added to what is there
  std::vector<std::string> activations{};        // outputs that a precision may round when they are written
  std::map<std::string, std::string> updates{};  // output -> input: the input's own tensor, updated in place; absent with it
  // output -> sum, max or log_sum_exp: completes what ranks give of it that cut an axis which it lacks; a sum where it is not here
  std::map<std::string, std::string> reduces{};
  // Inputs in which the outputs are linear: a partial sum may stay one through the operation. An entry of several, such as "a b", is linear
  // in all of them together.
  std::vector<std::string> linear_in{};
  std::vector<Case> cases{};

  const Operands& operands(std::string_view role) const;
  const Operands& operands(const Attrs& attributes) const;
};

// The definition; throws naming `where` and the nearest where there is none.
const OpDef& find_op(std::string_view name, const std::string& where = "");
// The same, or null.
const OpDef* try_op(std::string_view name);
std::span<const OpDef* const> all_ops();

// May a tensor of this type be this operand?
bool takes(const OpDef& def, const std::string& operand, DType dtype);
// Is the type of this output the one that the shape rule gives, and no other?
bool has_inferred_type(const OpDef& def, const std::string& output);

// Types of the outputs; throws Error naming operation, scope, operand and shape.
std::vector<TensorType> infer(const OpDef& def, const Attrs& attrs, const std::vector<const TensorType*>& inputs, const std::string& where);

// Attributes of a node with their names.
Attrs attributes_of(const Graph& g, const Node& n);

}  // namespace corral::graph
