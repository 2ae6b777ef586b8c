// The files of a tokenizer in a folder.
#pragma once
#include <string>
#include <vector>

#include "plugins/tokenizer/common/tokenizer_files.h"

namespace corral::tokenizer {

// The whole of a file. Throws Error (2) where it is missing, no regular file, or unreasonably large.
std::string read_file(const std::string& path);
// False where there is none.
bool is_file(const std::string& path);

// Throws Error (2) where the folder holds something already.
void check_new_folder(const std::string& path);
// The folder comes to be with all files in it, or not at all.
void write_folder(const std::string& path, const std::vector<WrittenFile>& files);

}  // namespace corral::tokenizer
