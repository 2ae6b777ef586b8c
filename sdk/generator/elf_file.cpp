#include "elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <system_error>

namespace corral::elf {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  void check_headers() {
    if (file_.size() < sizeof(Elf64_Ehdr)) throw Malformed("the file is not an ELF file: it ends within the header");
    header_ = at<Elf64_Ehdr>(0, "header");
    if (std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0) throw Malformed("the file is not an ELF file");
    if (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != ELFDATA2LSB)
      throw Malformed("the file is built for another machine: not 64-bit little-endian");
    if (header_.e_type != ET_DYN) throw Malformed("the file is not a shared object");
    if (header_.e_phentsize != sizeof(Elf64_Phdr) || header_.e_phnum == 0) throw Malformed("the file has no program headers");
    for (uint64_t i = 0; i < header_.e_phnum; ++i) {
      const auto segment = at<Elf64_Phdr>(offset_of(header_.e_phoff, i, sizeof(Elf64_Phdr)), "program headers");
      bytes(segment.p_offset, segment.p_filesz, "segment");
      segments_.push_back(segment);
    }
    if (header_.e_shnum != 0) {
      if (header_.e_shentsize != sizeof(Elf64_Shdr)) throw Malformed("the file has section headers of another size");
      bytes(header_.e_shoff, uint64_t{header_.e_shnum} * sizeof(Elf64_Shdr), "section headers");
    }
  }

  Facts facts() {
    check_headers();
    Facts out;
    out.machine = header_.e_machine;
    for (const Elf64_Phdr& segment : segments_)
      if (segment.p_type == PT_LOAD) out.loaded_size += segment.p_filesz;
    read_dynamic(out);
    read_exports(out);
    for (const Elf64_Phdr& segment : segments_)
      if (segment.p_type == PT_NOTE || segment.p_type == PT_GNU_PROPERTY) read_notes(segment, out);
    return out;
  }

  std::string loaded_bytes() {
    check_headers();
    std::string out;
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_LOAD) continue;
      const size_t begin = out.size();
      out += bytes(segment.p_offset, segment.p_filesz, "segment");
      if (segment.p_offset != 0 || segment.p_filesz < sizeof(Elf64_Ehdr)) continue;
      Elf64_Ehdr header = header_;
      header.e_shoff = 0;
      header.e_shnum = 0;
      header.e_shstrndx = 0;
      std::memcpy(out.data() + begin, &header, sizeof header);
    }
    return out;
  }

 private:
  static uint64_t offset_of(uint64_t base, uint64_t index, uint64_t size) {
    uint64_t offset = 0;
    if (__builtin_mul_overflow(index, size, &offset) || __builtin_add_overflow(offset, base, &offset))
      throw Malformed("the file is cut off or damaged: an offset overflows");
    return offset;
  }

  std::string_view bytes(uint64_t offset, uint64_t size, const char* what) const {
    if (offset > file_.size() || size > file_.size() - offset)
      throw Malformed("the file is cut off or damaged: its " + std::string(what) + " would end at byte " +
                      std::to_string(offset_of(offset, size, 1)) + " of " + std::to_string(file_.size()));
    return file_.substr(offset, size);
  }

  template <class T>
  T at(uint64_t offset, const char* what) const {
    T value;
    std::memcpy(&value, bytes(offset, sizeof value, what).data(), sizeof value);
    return value;
  }

  uint64_t file_offset(uint64_t address, const char* what) const {
    for (const Elf64_Phdr& s : segments_)
      if (s.p_type == PT_LOAD && address >= s.p_vaddr && address - s.p_vaddr < s.p_filesz) return s.p_offset + (address - s.p_vaddr);
    throw Malformed("the file is damaged: its " + std::string(what) + " is in no segment");
  }

  std::string text(uint64_t offset) const {
    if (offset >= strings_.size()) throw Malformed("the file is damaged: a name is outside the string table");
    const std::string_view rest = strings_.substr(offset);
    const size_t end = rest.find('\0');
    if (end == std::string_view::npos) throw Malformed("the file is damaged: a name does not end");
    return std::string(rest.substr(0, end));
  }

  std::optional<uint64_t> tag(int64_t wanted) const {
    for (const Elf64_Dyn& d : dynamic_)
      if (d.d_tag == wanted) return d.d_un.d_val;
    return std::nullopt;
  }

  void read_dynamic(Facts& out) {
    for (const Elf64_Phdr& s : segments_)
      if (s.p_type == PT_DYNAMIC)
        for (uint64_t i = 0; (i + 1) * sizeof(Elf64_Dyn) <= s.p_filesz; ++i) {
          const auto entry = at<Elf64_Dyn>(offset_of(s.p_offset, i, sizeof(Elf64_Dyn)), "dynamic section");
          if (entry.d_tag == DT_NULL) break;
          dynamic_.push_back(entry);
        }
    if (dynamic_.empty()) throw Malformed("the file has no dynamic section");
    const auto strings = tag(DT_STRTAB), size = tag(DT_STRSZ);
    if (!strings || !size) throw Malformed("the file has no string table");
    strings_ = bytes(file_offset(*strings, "string table"), *size, "string table");
    for (const Elf64_Dyn& d : dynamic_) {
      if (d.d_tag == DT_NEEDED) out.needed.push_back(text(d.d_un.d_val));
      if (d.d_tag != DT_RUNPATH && d.d_tag != DT_RPATH) continue;
      const std::string paths = text(d.d_un.d_val);
      for (size_t begin = 0; begin <= paths.size();) {
        const size_t end = std::min(paths.find(':', begin), paths.size());
        if (end > begin) out.run_path.push_back(paths.substr(begin, end - begin));
        begin = end + 1;
      }
    }
    read_version_needs(out);
    read_version_definitions(out);
  }

  void read_version_needs(Facts& out) const {
    const auto address = tag(DT_VERNEED), count = tag(DT_VERNEEDNUM);
    if (!address || !count) return;
    uint64_t offset = file_offset(*address, "version needs");
    for (uint64_t i = 0; i < *count; ++i) {
      const auto need = at<Elf64_Verneed>(offset, "version needs");
      uint64_t entry = offset_of(offset, need.vn_aux, 1);
      for (uint64_t k = 0; k < need.vn_cnt; ++k) {
        const auto aux = at<Elf64_Vernaux>(entry, "version needs");
        out.version_needs.push_back({text(need.vn_file), text(aux.vna_name)});
        if (aux.vna_next == 0) break;
        entry = offset_of(entry, aux.vna_next, 1);
      }
      if (need.vn_next == 0) break;
      offset = offset_of(offset, need.vn_next, 1);
    }
  }

  void read_version_definitions(Facts& out) const {
    const auto address = tag(DT_VERDEF), count = tag(DT_VERDEFNUM);
    if (!address || !count) return;
    uint64_t offset = file_offset(*address, "version definitions");
    for (uint64_t i = 0; i < *count; ++i) {
      const auto definition = at<Elf64_Verdef>(offset, "version definitions");
      const auto aux = at<Elf64_Verdaux>(offset_of(offset, definition.vd_aux, 1), "version definitions");
      out.version_definitions.push_back(text(aux.vda_name));
      if (definition.vd_next == 0) break;
      offset = offset_of(offset, definition.vd_next, 1);
    }
  }

  // No field states the number of dynamic symbols; the section header or the hash table implies it.
  uint64_t symbol_count() const {
    for (uint64_t i = 0; i < header_.e_shnum; ++i) {
      const auto section = at<Elf64_Shdr>(offset_of(header_.e_shoff, i, sizeof(Elf64_Shdr)), "section headers");
      if (section.sh_type == SHT_DYNSYM) return section.sh_size / sizeof(Elf64_Sym);
    }
    if (const auto hash = tag(DT_HASH)) return at<uint32_t>(offset_of(file_offset(*hash, "hash table"), 4, 1), "hash table");
    throw Malformed("the file has no section headers: its symbols cannot be counted");
  }

  void read_exports(Facts& out) const {
    const auto address = tag(DT_SYMTAB);
    if (!address) return;
    const uint64_t base = file_offset(*address, "symbol table");
    for (uint64_t i = 1, count = symbol_count(); i < count; ++i) {
      const auto symbol = at<Elf64_Sym>(offset_of(base, i, sizeof(Elf64_Sym)), "symbol table");
      const unsigned binding = ELF64_ST_BIND(symbol.st_info);
      if (symbol.st_shndx == SHN_UNDEF || binding == STB_LOCAL) continue;
      out.exports.push_back({text(symbol.st_name), binding == STB_GNU_UNIQUE});
    }
  }

  void read_notes(const Elf64_Phdr& segment, Facts& out) const {
    const uint64_t align = segment.p_align == 8 ? 8 : 4;
    const uint64_t end = segment.p_offset + segment.p_filesz;
    for (uint64_t offset = segment.p_offset; offset + sizeof(Elf64_Nhdr) <= end;) {
      const auto note = at<Elf64_Nhdr>(offset, "notes");
      const uint64_t name = offset + sizeof(Elf64_Nhdr), content = round_up(name + note.n_namesz, align);
      if (note.n_type == NT_GNU_PROPERTY_TYPE_0 && note.n_namesz == 4 && bytes(name, 4, "notes") == std::string_view("GNU\0", 4))
        read_properties(content, note.n_descsz, out);
      offset = round_up(content + note.n_descsz, align);
    }
  }

  void read_properties(uint64_t offset, uint64_t size, Facts& out) const {
    bytes(offset, size, "notes");
    for (const uint64_t end = offset + size; offset + 8 <= end;) {
      const auto type = at<uint32_t>(offset, "properties"), length = at<uint32_t>(offset + 4, "properties");
      if (type == GNU_PROPERTY_X86_ISA_1_NEEDED && length == 4) out.x86_levels |= at<uint32_t>(offset + 8, "properties");
      offset = round_up(offset + 8 + length, 8);
    }
  }

  static uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

  std::string_view file_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
  std::vector<Elf64_Dyn> dynamic_;
  std::string_view strings_;
};

}  // namespace

Facts read(std::string_view file) { return Reader(file).facts(); }
void check_headers(std::string_view file) { Reader(file).check_headers(); }
std::string loaded_bytes(std::string_view file) { return Reader(file).loaded_bytes(); }

bool older(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const auto digits = [](std::string_view s) { return std::min(s.find_first_not_of("0123456789"), s.size()); };
    const size_t n = digits(a), m = digits(b);
    if (n > 0 && m > 0) {
      if (n != m) return n < m;
      if (const int order = a.substr(0, n).compare(b.substr(0, m))) return order < 0;
      a.remove_prefix(n);
      b.remove_prefix(m);
      continue;
    }
    if (a[0] != b[0]) return a[0] < b[0];
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.size() < b.size();
}

std::vector<VersionNeed> highest(const std::vector<VersionNeed>& needs) {
  std::map<std::pair<std::string, std::string>, std::string> best;
  for (const VersionNeed& need : needs) {
    std::string& version = best[{need.library, need.version.substr(0, need.version.rfind('_'))}];
    if (version.empty() || older(version, need.version)) version = need.version;
  }
  std::vector<VersionNeed> out;
  for (const auto& [key, version] : best) out.push_back({key.first, version});
  return out;
}

MappedFile::MappedFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw std::system_error(errno, std::generic_category(), path);
  struct stat status {};
  int error = fstat(file, &status) != 0 ? errno : !S_ISREG(status.st_mode) ? EINVAL : 0;
  if (!error && status.st_size > 0) {
    void* data = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) {
      error = errno;
    } else {
      data_ = static_cast<const char*>(data);
      size_ = static_cast<size_t>(status.st_size);
    }
  }
  close(file);
  if (error) throw std::system_error(error, std::generic_category(), path);
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<char*>(data_), size_);
}

}  // namespace corral::elf
