// Low-rank adapters on linear layers: y = W x + s B A x, where only A and B are trained. arXiv:2106.09685
// With a magnitude, y = m / |W + s B A| (W x + s B A x) for each row of W; the norm is a constant for the gradient. arXiv:2402.09353
#pragma once

#include <string>
#include <vector>

#include "corral/graph.h"
#include "plugin.wire.h"
#include "plugins/peft/common/targets.h"

namespace corral::lowrank {

struct Settings {
  int64_t dim;
  double alpha, dropout;
  std::vector<std::string> target_modules, modules_to_save;
  std::string init;
  bool use_rslora, magnitude;
  double scale() const;
};

// Throws Error (2) naming the key.
void check(const Settings& s);

// Parameter names of a module's adapter; members of a group share the first matrix, which bears the group's name.
std::string first_matrix(const std::string& module);
std::string second_matrix(const std::string& module);
std::string magnitude(const std::string& module);

class Adapters {
 public:
  // `model` is the forward graph without adapters.
  Adapters(Graph model, const Settings& settings);

  Graph transform(bool deterministic) const;
  Graph initialize() const;
  Graph merge() const;
  // Maps to the names that peft saves.
  WeightMap weight_map() const;
  // Module names for a configuration file.
  std::vector<std::string> target_names() const, whole_names() const;

  const Settings& settings() const { return s_; }
  const std::vector<Linear>& layers() const { return linears_; }
  const std::vector<Group>& groups() const { return groups_; }
  bool trains_whole_modules() const { return !whole_.empty(); }

 private:
  const Settings s_;
  const Graph model_;
  const std::vector<Linear> linears_;
  const std::vector<Group> groups_;
  const std::vector<size_t> whole_;  // states that are trained whole
};

}  // namespace corral::lowrank
