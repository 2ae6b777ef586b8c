#include "plugins/tracker/tensorboard/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "corral/error.h"
#include "corral/wire.h"
#include "plugins/tracker/tensorboard/crc32c.h"

namespace corral::tensorboard {
namespace {
// Field numbers of tensorflow/core/util/event.proto and framework/{summary,tensor,types}.proto.
namespace event {
constexpr uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5;
}
namespace summary {
constexpr uint32_t kValue = 1;
}
namespace value {
constexpr uint32_t kTag = 1, kSimpleValue = 2, kTensor = 8, kMetadata = 9;
}
namespace tensor {
constexpr uint32_t kType = 1, kShape = 2, kStrings = 8;
constexpr int32_t kStringType = 7;
}  // namespace tensor
constexpr uint32_t kPluginData = 1, kPluginName = 1;

void put_little_endian(std::string& out, uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(number >> 8 * i & 0xFF));
}

std::string file_name(double wall_time) {
  static int number = 0;
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  return format("events.out.tfevents.{}.{}.{}.{}", static_cast<int64_t>(wall_time), host, ::getpid(), number++);
}
}  // namespace

EventFile::EventFile(const std::string& folder, double wall_time) : path_(folder + "/" + file_name(wall_time)) {
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) fail_environment("cannot create {}: {}", path_, std::strerror(errno));
  event_.clear();
  protozero::pbf_writer out(event_);
  out.add_double(event::kWallTime, wall_time);
  out.add_string(event::kFileVersion, "brain.Event:2");
  write_event();
}

EventFile::~EventFile() {
  if (file_ >= 0) ::close(file_);
}

void EventFile::scalars(double wall_time, int64_t step, const std::vector<Scalar>& values) {
  summary_.clear();
  for (const Scalar& scalar : values) {
    value_.clear();
    protozero::pbf_writer out(value_);
    out.add_string(value::kTag, scalar.tag.data(), scalar.tag.size());
    out.add_float(value::kSimpleValue, static_cast<float>(scalar.value));
    protozero::pbf_writer(summary_).add_message(summary::kValue, value_);
  }
  event_.clear();
  protozero::pbf_writer out(event_);
  out.add_double(event::kWallTime, wall_time);
  out.add_int64(event::kStep, step);
  out.add_message(event::kSummary, summary_);
  write_event();
}

void EventFile::text(double wall_time, int64_t step, std::string_view tag, std::string_view content) {
  std::string plugin, metadata, shape_and_strings;
  protozero::pbf_writer(plugin).add_string(kPluginName, "text");
  protozero::pbf_writer(metadata).add_message(kPluginData, plugin);
  protozero::pbf_writer tensor_out(shape_and_strings);
  tensor_out.add_enum(tensor::kType, tensor::kStringType);
  tensor_out.add_message(tensor::kShape, std::string());
  tensor_out.add_bytes(tensor::kStrings, content.data(), content.size());
  value_.clear();
  protozero::pbf_writer out(value_);
  out.add_string(value::kTag, tag.data(), tag.size());
  out.add_message(value::kTensor, shape_and_strings);
  out.add_message(value::kMetadata, metadata);
  summary_.clear();
  protozero::pbf_writer(summary_).add_message(summary::kValue, value_);
  event_.clear();
  protozero::pbf_writer event_out(event_);
  event_out.add_double(event::kWallTime, wall_time);
  event_out.add_int64(event::kStep, step);
  event_out.add_message(event::kSummary, summary_);
  write_event();
}

void EventFile::write_event() {
  record_.clear();
  put_little_endian(record_, event_.size(), 8);
  put_little_endian(record_, masked_crc32c(record_.data(), 8), 4);
  record_ += event_;
  put_little_endian(record_, masked_crc32c(event_.data(), event_.size()), 4);
  for (size_t written = 0; written < record_.size();) {
    const ssize_t count = ::write(file_, record_.data() + written, record_.size() - written);
    if (count < 0 && errno != EINTR) fail_environment("cannot write {}: {}", path_, std::strerror(errno));
    if (count > 0) written += static_cast<size_t>(count);
  }
}

}  // namespace corral::tensorboard
