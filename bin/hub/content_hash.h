// The hashes by which the hub names the content of a file.
#pragma once

#include <string>

namespace corral::hub {

// Hashes the whole file the way `name` was made: SHA-256 if it has 64 hexadecimal digits, SHA-1 of the git blob if it has 40. "" for any
// other name.
std::string content_hash(const std::string& path, const std::string& name);

}  // namespace corral::hub
