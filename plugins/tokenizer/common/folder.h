// Reads and writes the files of a tokenizer's folder.
#pragma once
#include <string>
#include <vector>

#include "plugins/tokenizer/common/tokenizer_files.h"

namespace corral::tokenizer {

// Reads a file. Throws Error (2) if it is missing, not a regular file or larger than any tokenizer's.
std::string read_file(const std::string& path);
// True for a regular file.
bool is_file(const std::string& path);

// Throws Error (2) unless the folder is missing or empty.
void check_new_folder(const std::string& path);
// Creates the folder with all files, or leaves nothing behind.
void write_folder(const std::string& path, const std::vector<WrittenFile>& files);

}  // namespace corral::tokenizer
