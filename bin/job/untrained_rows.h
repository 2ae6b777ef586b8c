// Tokens that a run is to learn to write, and whose weights look as if nothing had ever trained them: reserved tokens of a base model.
#pragma once

#include <functional>
#include <string>

#include "kernel/plugin/tokenizer.h"
#include "kernel/runtime/session.h"
#include "kernel/train/batch.h"

namespace corral::job {

// Looks at the targets of the first rows of the data, and at their rows in the embedding and the output layer. A row looks untrained where
// its length is beyond 3 deviations of the others', or where another row equals it. Says one warning a matrix, with what would mend it.
void warn_of_untrained_rows(runtime::Session& session, const train::Fetch& fetch, uint64_t rows, int64_t seq_length,
                            const TokenizerHandle* tokenizer, const std::function<void(const std::string& line)>& say);

}  // namespace corral::job
