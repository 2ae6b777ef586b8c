// conversion.json: records what a conversion wrote, with a hash of each tensor, in the folder that its flag named.
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

// One conversion; the time is measured from construction.
class Conversion {
 public:
  // `command`: "import" or "export". `check`: compares the logits of source and target, if given.
  Conversion(const job::Host& host, const job::ModelSource& source, const char* command, std::string format,
             std::optional<LogitsCheckOptions> check);

  // Reads the written files back for their hashes, while they are synced to the disk.
  void read_back(const std::string& written);
  // Compares the logits if wanted, then writes the certificate into `folder`; `target` is the written checkpoint in it. Throws Error (1) if
  // the logits differ.
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

// The certificate of a checkpoint, from its folder or one of the two folders above.
struct Certificate {
  std::string path, command, source;
  std::map<std::string, std::string> hashes;  // by tensor name
};
// Empty if there is none. Throws Error (2) if it is damaged.
std::optional<Certificate> certificate_of(const std::string& checkpoint);

// "corral import of PATH (conversion.json)", or "".
std::string origin_of(const std::string& checkpoint);

}  // namespace corral::convert
