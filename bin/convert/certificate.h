// conversion.json: what a conversion wrote, with a hash of each tensor, in the folder that its flag named.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bin/convert/logits_check.h"
#include "bin/convert/scan.h"
#include "bin/job/host.h"
#include "bin/job/model_source.h"

namespace corral::convert {

inline constexpr char kCertificateName[] = "conversion.json";

// One conversion, measured from here on.
class Conversion {
 public:
  // `command`: "import", "export". `check`: compare the logits of source and target, or nothing.
  Conversion(const job::Host& host, const job::ModelSource& source, const char* command, std::string format,
             std::optional<LogitsCheckOptions> check);

  // Reads what was written back, for its hashes, while it goes to the disk.
  void read_back(const std::string& written);
  // Compares the logits where that is wanted, then writes the certificate into `folder`, in which `target` was written. Throws Error (1)
  // where they differ.
  void certify(const std::string& folder, const std::string& target);
  // "21 tensors, 0.3 MB in 0.2 s (1.6 MB/s), 40.1 MB of memory at its peak"
  std::string summary() const;

 private:
  double seconds() const;

  const job::Host& host_;
  const job::ModelSource& source_;
  std::string command_, format_;
  std::optional<LogitsCheckOptions> wanted_check_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::vector<TensorInfo> tensors_;
  std::vector<TensorScan> scans_;
  uint64_t bytes_ = 0;
  double seconds_ = 0;
  std::string check_;
};

// The certificate of a checkpoint, in its folder or in one of the two above it.
struct Certificate {
  std::string path, command, source;
  std::map<std::string, std::string> hashes;  // of the tensors
};
// Nothing where there is none. Throws Error (2) where it is damaged.
std::optional<Certificate> certificate_of(const std::string& checkpoint);

// "corral import of PATH (conversion.json)", or "".
std::string origin_of(const std::string& checkpoint);

}  // namespace corral::convert
