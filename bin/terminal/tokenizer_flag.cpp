#include "bin/terminal/tokenizer_flag.h"

#include "bin/job/configuration.h"
#include "bin/job/job.h"
#include "corral/error.h"

namespace corral::cli {

std::shared_ptr<const TokenizerHandle> tokenizer_of(const Arguments& arguments) {
  if (!arguments.has("tokenizer")) fail("a tokenizer is needed: --tokenizer PATH");
  return open_tokenizer(arguments, resolve(sources(arguments), arguments), "");
}

}  // namespace corral::cli
