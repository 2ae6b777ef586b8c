// The hashes by which the hub names the content of a file.
#pragma once

#include <string>

namespace corral::hub {

// The hash of the file that is of the kind of `name`: SHA-256 where that has 64 hexadecimal digits, SHA-1 of the file as a blob of git
// where it has 40; "" for any other name. Reads the whole file.
std::string content_hash(const std::string& path, const std::string& name);

}  // namespace corral::hub
