#include "bin/terminal/tokenizer_flag.h"

#include "bin/job/job.h"
#include "bin/job/settings.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/sources.h"
#include "corral/error.h"

namespace corral::cli {

std::shared_ptr<const TokenizerHandle> tokenizer_of(const Arguments& arguments) {
  if (!arguments.has("tokenizer")) fail("a tokenizer is needed: --tokenizer PATH");
  const job::Host& host = host_of(arguments);
  return open_tokenizer(host, resolve(host, sources(arguments)), "");
}

}  // namespace corral::cli
