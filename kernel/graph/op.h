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

// A node as every rule sees it.
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
  // Throws an Error with the operand's shape if `good` is false.
  void require(bool good, std::string_view operand, std::string_view sentence) const;

 private:
  const TensorType& type(std::string_view name) const;
  std::vector<const TensorType*> inputs_;
};

// The view of a gradient rule; it emits backward nodes.
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
  // Absent operands at the end of a node may be missing.
  static TensorId present(const std::vector<TensorId>& operands, size_t i) { return i < operands.size() ? operands[i] : 0; }
  const Node& node_;
  std::vector<TensorId> output_gradients_;
  std::vector<bool> needed_;
  Emit emit_;
};

// The view of a reference. Values are float64; integers are stored as whole numbers.
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
  // For error bounds: a device may round an intermediate factor to the type of its operands. By element of the output, the sum of the
  // magnitudes of the products with such a factor. Empty if the caller does not ask for it.
  std::span<double> rounded(std::string_view output) const {
    return rounded_.empty() ? std::span<double>() : rounded_[index(operands.outputs, output)];
  }

 private:
  std::vector<const Value*> inputs_, outputs_;
  std::vector<std::span<double>> rounded_;
};

// Does an id number one of `count` elements? Any other id means "no element".
inline bool is_id(double id, size_t count) { return id >= 0 && id < static_cast<double>(count); }

// One case of the tests. `shapes` by input name; an input without a shape is absent. Values come from `values`, or are drawn from [low,
// high) of `ranges`, or from [-1, 1). `types` names the types of inputs in a format of eight or four bits.
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
  // The rules for cuts: the parts of operands that ranks may have, and the reductions that they then owe. Tests cut every factor of every
  // case.
  std::string whole{};  // factors that may not be cut, separated by spaces; numbers and attributes never are
  // output -> sum, max or log_sum_exp: the reduction that completes an output without the factor that ranks cut. Default: sum.
  std::map<std::string, std::string> reduces{};
  // Inputs in which the outputs are linear, so that a partial sum stays one through the operation. An entry of several inputs, such as "a
  // b", is linear in all of them together.
  std::vector<std::string> linear_in{};
  std::map<std::string, std::string> ids{};  // input of ids of a factor's elements -> that factor; if it is cut, the input needs local_ids
  std::map<std::string, std::string> first{};  // input [1] with the first element of a factor -> that factor; absent: 0
  // attribute -> factor: a promise that need not hold for a part of the factor; the partition drops the attribute there
  std::map<std::string, std::string> promises{};
  std::vector<AttrDef> attrs{};
  std::map<std::string, DType> types{};  // of operands that have one type only
  std::map<std::string, TypeClass>
      classes{};  // of operands that may have other types than any floating one; an output's shape rule says which
  std::vector<TensorType> (*shape)(const ShapeCall&) = nullptr;
  void (*gradient)(GradCall&) = nullptr;  // null: no gradient flows through
  void (*reference)(const RefCall&) = nullptr;
  // For a conversion between ranks, which no device runs: the reference for all ranks of a mesh dimension in their order.
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

// Finds the definition. Throws naming `where` and the nearest name if there is none.
const OpDef& find_op(std::string_view name, const std::string& where = "");
// The same, or null.
const OpDef* try_op(std::string_view name);
std::span<const OpDef* const> all_ops();

// True if a tensor of this type may be this operand.
bool takes(const OpDef& def, const std::string& operand, DType dtype);
// True if this output must have the type that the shape rule gives.
bool has_inferred_type(const OpDef& def, const std::string& output);

// Types of the outputs; throws Error naming operation, scope, operand and shape.
std::vector<TensorType> infer(const OpDef& def, const Attrs& attrs, const std::vector<const TensorType*>& inputs, const std::string& where);

// Attributes of a node with their names.
Attrs attributes_of(const Graph& g, const Node& n);

}  // namespace corral::graph
