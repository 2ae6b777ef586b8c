// Warns of tokens that a run is to learn to write although their weights look untrained: reserved tokens of a base model.
#pragma once

#include <functional>
#include <string>

#include "kernel/plugin/tokenizer.h"
#include "kernel/runtime/session.h"
#include "kernel/train/batch.h"

namespace corral::job {

// Reads the targets in the first rows of the data, and compares their rows in the embedding and the output layer. A row looks untrained if
// its length is beyond 3 deviations of the others', or if another row equals it. Says one warning per matrix, with a remedy.
void warn_of_untrained_rows(runtime::Session& session, const train::Fetch& fetch, uint64_t rows, int64_t seq_length,
                            const TokenizerHandle* tokenizer, const std::function<void(const std::string& line)>& say);

}  // namespace corral::job
