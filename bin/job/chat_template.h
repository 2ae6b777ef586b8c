// The chat template among a tokenizer's files. Nobody here reads it: dataset plugins do.
#pragma once

#include <string>
#include <vector>

#include "plugin.wire.h"

namespace corral::job {

// The text of chat_template.jinja, else of tokenizer_config.json ("chat_template", the default one of several); "" where there is none.
std::string chat_template_of(const std::vector<NamedFile>& files);

// Makes `text` the template of these files; leaves them byte for byte as they are where it is already.
void set_chat_template(std::vector<NamedFile>& files, const std::string& text);

// Adds what ends an answer to the end tokens of generation_config.json, which is made where it is missing; unchanged where it has them.
void add_stop_ids(std::vector<NamedFile>& files, const std::vector<int64_t>& ids);

}  // namespace corral::job
