#include "bin/validate/pass_checks.h"

#include "corral/error.h"
#include "kernel/graph/verify.h"
#include "kernel/plugin/host.h"
#include "plugin.wire.h"

namespace corral::validate {
namespace {

std::string fault_of_answer(const Pass& pass, const Graph& before, const Graph& after) {
  try {
    graph::verify(after);
  } catch (const Error& e) {
    return std::string("its graph cannot run: ") + e.what();
  }
  for (const Port& p : before.outputs)
    if (!find_port(after, after.outputs, before.names[p.name])) return "the output " + before.names[p.name] + " is gone";
  return pass.fault ? pass.fault(before, after) : "";
}

// True for a message with an inconsistent graph: the host verifies graphs before a plugin sees them.
bool host_would_not_send(const std::string& bytes) {
  PassRequest request;
  try {
    request = PassRequest::decode(bytes.data(), bytes.size());
  } catch (const protozero::exception&) {
    return false;
  }
  try {
    graph::verify(request.graph);
    return false;
  } catch (const std::exception&) {
    return true;
  }
}

}  // namespace

void exercise_pass(const Pass& pass, const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  auto random = s.random();
  const Graph before = pass.make(random);
  const std::string fault = fault_of_answer(pass, before, pass.apply(plugin, before, s.options()));
  if (!fault.empty()) fail_check("{}", fault);
}

Outcome keeps_unknown(const Pass& pass, const Subject& s) {
  auto random = s.random();
  Graph before = pass.make(random);
  add_unknown(before);
  Loaded loaded(s.info);
  const Graph after = pass.apply(loaded.init(), before, s.options());
  if (const std::string lost = unknown_lost(after); !lost.empty()) return failed(lost);
  const std::string fault = fault_of_answer(pass, without_unknown(before), without_unknown(after));
  loaded.shutdown();
  return fault.empty() ? validate::pass() : failed(fault);
}

Outcome random_graphs(const Pass& pass, const Subject& s) {
  constexpr uint64_t kGraphs = 50;
  Loaded loaded(s.info);
  const auto plugin = loaded.init();
  const std::string options = s.options();
  for (uint64_t i = 0; i < kGraphs; ++i) {
    std::mt19937_64 random(s.seed + i);
    const Graph before = pass.make(random);
    std::string fault;
    try {
      const Graph after = pass.apply(plugin, before, options);
      fault = fault_of_answer(pass, before, after);
      if (fault.empty() && after.encode() != pass.apply(plugin, before, options).encode())
        fault = "the second answer to a request differs from the first";
    } catch (const std::exception& e) {
      fault = e.what();
    }
    if (!fault.empty()) return failed(format("{} (again with --seed {})", fault, s.seed + i));
  }
  loaded.shutdown();
  return validate::pass(format("{} graphs from seed {}", kGraphs, s.seed));
}

Outcome damaged_requests(const Pass& pass, corral_status (*call)(const Plugin&, const std::string&), const Subject& s) {
  auto random = s.random();
  PassRequest request;
  request.options = s.options();
  request.graph = pass.make(random);
  const std::string whole = request.encode();
  Loaded loaded(s.info);
  const auto plugin = loaded.init();
  size_t refused = 0;
  constexpr int kRequests = 500;
  for (int i = 0; i < kRequests; ++i) {
    std::string bytes = whole;
    const auto at = [&] { return std::uniform_int_distribution<size_t>(0, bytes.size() - 1)(random); };
    if (i % 2 == 0) bytes.resize(at());
    if (i % 3 == 0 && !bytes.empty()) bytes[at()] = static_cast<char>(random());
    if (bytes == whole || host_would_not_send(bytes)) continue;
    const corral_status status = call(*plugin, bytes);
    const std::string sentence = take_sentence();
    if (status == CORRAL_OK) continue;  // the damage left a valid graph; the host verifies the answer
    ++refused;
    if (status < CORRAL_OK || status > CORRAL_CHECK) return failed(format("it answers a damaged request with status {}", status));
    if (sentence.empty()) return failed(format("it refuses a damaged request with status {} and gives no reason", status));
  }
  loaded.shutdown();
  return validate::pass(format("{} of {} refused", refused, kRequests));
}

}  // namespace corral::validate
