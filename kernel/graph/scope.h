// Names of scopes: "layers.3" is the scope of layer 3's nodes.
#pragma once

#include <cstdint>
#include <string_view>

namespace corral::graph {

// Number N of the scope layers.N, or -1.
inline int64_t layer_of(std::string_view scope) {
  constexpr std::string_view kPrefix = "layers.";
  if (!scope.starts_with(kPrefix) || scope.size() == kPrefix.size()) return -1;
  int64_t n = 0;
  for (const char c : scope.substr(kPrefix.size())) {
    if (c < '0' || c > '9' || n > 1000000) return -1;
    n = n * 10 + (c - '0');
  }
  return n;
}

}  // namespace corral::graph
