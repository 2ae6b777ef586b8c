// The definition of an operation: axes, shape rule, gradient rule, float64 reference, cases. One file each in ops/; the build makes the
// table from the folder.
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
#include "kernel/graph/axes.h"

namespace corral::graph {

struct TensorType {
  DType dtype = DType::F32;
  Shape shape;
};

struct OpDef;

enum class AttrKind { kInteger, kNumber, kText, kNumbers };

struct AttrDef {
  std::string name;
  AttrKind kind = AttrKind::kNumber;
  double otherwise = 0;  // for numbers and integers
};

using Attrs = std::vector<NamedAttribute>;

// The view of a node that every rule gets.
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
  TensorId in(std::string_view name) const { return present(node_.inputs, index(operands.inputs, name)); }
  TensorId out(std::string_view name) const { return present(node_.outputs, index(operands.outputs, name)); }
  TensorId dout(std::string_view name) const { return present(output_gradients_, index(operands.outputs, name)); }  // 0: none
  bool needs(std::string_view input) const { return needed_[index(operands.inputs, input)]; }
  std::vector<TensorId> emit(const std::string& op, const std::vector<TensorId>& inputs, const Attrs& attributes = {}) const {
    return emit_(op, inputs, attributes);
  }
  void set(std::string_view input, TensorId gradient) { gradients[index(operands.inputs, input)] = gradient; }
  NamedAttribute same(std::string_view name) const;  // an attribute of the forward node

  std::vector<TensorId> gradients;

 private:
  // A node may leave out absent operands at its end.
  static TensorId present(const std::vector<TensorId>& operands, size_t i) { return i < operands.size() ? operands[i] : 0; }
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
  // `rounded`: see the function of this name; of each output, or empty.
  RefCall(const OpDef& def, const Attrs& attrs, std::string where, std::vector<const Value*> inputs, std::vector<const Value*> outputs,
          std::vector<std::span<double>> rounded = {})
      : NodeCall(def, attrs, std::move(where)), inputs_(std::move(inputs)), outputs_(std::move(outputs)), rounded_(std::move(rounded)) {}
  std::span<const double> in(std::string_view name) const { return inputs_[index(operands.inputs, name)]->data; }
  std::span<double> out(std::string_view name) const { return outputs_[index(operands.outputs, name)]->data; }
  bool has(std::string_view name) const { return inputs_[index(operands.inputs, name)] != nullptr; }
  bool writes(std::string_view name) const { return outputs_[index(operands.outputs, name)] != nullptr; }
  const Shape& shape(std::string_view name) const;
  // Where a device may round an intermediate factor to the type of its operands: of each number of the output, the sum of the magnitudes
  // of the products that have such a factor. Empty where nobody asks.
  std::span<double> rounded(std::string_view output) const {
    return rounded_.empty() ? std::span<double>() : rounded_[index(operands.outputs, output)];
  }

 private:
  std::vector<const Value*> inputs_, outputs_;
  std::vector<std::span<double>> rounded_;
};

// Does an id number one of `count` elements? Any other id means "no element".
inline bool is_id(double id, size_t count) { return id >= 0 && id < static_cast<double>(count); }

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
  AxesOfRoles axes{};
  // The parts of operands that ranks may have, and what such ranks owe. Tests cut every factor of every case by these.
  std::string whole{};  // factors that may not be cut, separated by spaces; numbers and attributes never are
  // output -> sum, max or log_sum_exp: completes what ranks give of it that cut a factor which it lacks; a sum where it is not here
  std::map<std::string, std::string> reduces{};
  // Inputs in which the outputs are linear: a partial sum may stay one through the operation. An entry of several, such as "a b", is linear
  // in all of them together.
  std::vector<std::string> linear_in{};
  std::map<std::string, std::string> ids{};    // input that numbers elements of a factor -> that factor: of a part it needs local_ids
  std::map<std::string, std::string> first{};  // input [1] that says where a factor begins -> that factor; absent: at 0
  std::vector<AttrDef> attrs{};
  std::map<std::string, DType> types{};  // of operands that have one type only
  std::map<std::string, TypeClass>
      classes{};  // of operands that may have other types than any floating one; an output's shape rule says which
  std::vector<TensorType> (*shape)(const ShapeCall&) = nullptr;
  void (*gradient)(GradCall&) = nullptr;  // null: no gradient flows through
  void (*reference)(const RefCall&) = nullptr;
  // A conversion between ranks: the reference for all ranks of a mesh dimension in their order, and no operation of a device.
  void (*exchange)(std::span<const RefCall> ranks) = nullptr;
  bool cuts = false;                             // the output's leading axes may be a fraction or a multiple of the input's
  bool cheap = false;                            // recomputing it costs less than keeping its output
  std::vector<std::string> accumulates{};        // outputs that may be added to what is there
  std::vector<std::string> activations{};        // outputs that a precision may round when they are written
  std::map<std::string, std::string> updates{};  // output -> input: the input's own tensor, updated in place; absent with it
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
