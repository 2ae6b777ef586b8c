// protozero for untrusted bytes: it throws in every build type where it would assert, such as for a field whose wire type differs from its
// definition. Include this header in place of protozero's own.
#pragma once

#ifdef PROTOZERO_CONFIG_HPP
#error "include corral/wire.h before a header of protozero"
#endif

#include <protozero/exception.hpp>

namespace corral {

class DamagedMessage : public protozero::exception {
 public:
  const char* what() const noexcept override { return "the message is damaged: a field has another wire type than its definition"; }
};

}  // namespace corral

#define protozero_assert(x) ((x) ? static_cast<void>(0) : throw ::corral::DamagedMessage())
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
