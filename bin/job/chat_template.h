// The chat template among a tokenizer's files. Only dataset plugins interpret it.
#pragma once

#include <string>
#include <vector>

#include "plugin.wire.h"

namespace corral::job {

// The text of chat_template.jinja, else of tokenizer_config.json ("chat_template", the default one of several); "" if there is none.
std::string chat_template_of(const std::vector<NamedFile>& files);

// Makes `text` the template of these files. Files that have this template already stay byte for byte.
void set_chat_template(std::vector<NamedFile>& files, const std::string& text);

// Adds the ids that end an answer to the end tokens of generation_config.json. Makes the file if it is missing; leaves it if it has them.
void add_stop_ids(std::vector<NamedFile>& files, const std::vector<int64_t>& ids);

}  // namespace corral::job
