#include "bin/hub/content_hash.h"

#include <openssl/evp.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "corral/error.h"

namespace corral::hub {

std::string content_hash(const std::string& path, const std::string& name) {
  if (name.find_first_not_of("0123456789abcdef") != std::string::npos || (name.size() != 64 && name.size() != 40)) return "";
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> state(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(state.get(), name.size() == 64 ? EVP_sha256() : EVP_sha1(), nullptr);
  if (name.size() == 40) {
    const std::string head = "blob " + std::to_string(std::filesystem::file_size(path));
    EVP_DigestUpdate(state.get(), head.c_str(), head.size() + 1);
  }
  std::ifstream file(path, std::ios::binary);
  std::vector<char> buffer(1 << 20);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), file.gcount() > 0)
    EVP_DigestUpdate(state.get(), buffer.data(), static_cast<size_t>(file.gcount()));
  if (file.bad() || !file.eof()) fail_environment("cannot read {}", path);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(state.get(), digest, &size);
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    constexpr char kHex[] = "0123456789abcdef";
    text += {kHex[digest[i] >> 4], kHex[digest[i] & 15]};
  }
  return text;
}

}  // namespace corral::hub
