#include "plugins/optimizer/adamw/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "corral/error.h"

namespace corral::adamw {
namespace {

struct Style {
  const char* name;
  double (*remaining)(double ratio);  // share of lr - min_lr that remains after `ratio` of the decay
};

double exponential(double ratio) { return 2 * std::pow(0.5, ratio) - 1; }
double linear(double ratio) { return 1 - ratio; }
double cosine(double ratio) { return 0.5 * (std::cos(std::numbers::pi * ratio) + 1); }
double minus_sqrt(double ratio) { return 1 - std::sqrt(ratio); }
double constant(double) { return 1; }

constexpr Style kStyles[] = {
    {"constant", constant}, {"linear", linear}, {"cosine", cosine}, {"WSD", nullptr}, {"inverse-square-root", nullptr}};
constexpr Style kFinalStyles[] = {{"linear", linear}, {"cosine", cosine}, {"exponential", exponential}, {"minus_sqrt", minus_sqrt}};

template <size_t N>
const Style& find(const Style (&styles)[N], const char* key, const std::string& name) {
  std::vector<std::string> names;
  for (const Style& s : styles) {
    if (name == s.name) return s;
    names.emplace_back(s.name);
  }
  fail("optimizer.{} = \"{}\": no such schedule{}", key, name, did_you_mean(name, names));
}

}  // namespace

double learning_rate(const Schedule& s, int64_t done) {
  const auto n = static_cast<double>(done), warmup = static_cast<double>(s.warmup), decay = static_cast<double>(s.decay);
  if (s.warmup > 0 && done <= s.warmup) return s.lr_warmup_init + (s.lr - s.lr_warmup_init) * n / warmup;
  const Style& style = find(kStyles, "lr_decay_style", s.style);
  if (s.style == "constant") return s.lr;
  if (done > s.decay) return s.min_lr;
  if (s.style == "inverse-square-root") return std::max(s.min_lr, s.lr * std::sqrt(std::max(warmup, 1.0)) / std::sqrt(std::max(n, 1.0)));
  if (s.style == "WSD") {
    const int64_t begin = s.decay - s.wsd_decay;
    if (done <= begin) return s.lr;
    const double ratio = static_cast<double>(done - begin) / static_cast<double>(s.wsd_decay);
    return s.min_lr + find(kFinalStyles, "lr_wsd_decay_style", s.wsd_decay_style).remaining(ratio) * (s.lr - s.min_lr);
  }
  return s.min_lr + style.remaining((n - warmup) / (decay - warmup)) * (s.lr - s.min_lr);
}

void check(const Schedule& s) {
  find(kStyles, "lr_decay_style", s.style);
  if (s.style == "WSD") find(kFinalStyles, "lr_wsd_decay_style", s.wsd_decay_style);
  if (!(s.lr > 0)) fail("optimizer.lr = {}: expected more than 0", s.lr);
  if (s.min_lr < 0 || s.min_lr > s.lr)
    fail("optimizer.min_lr = {}: expected 0 to optimizer.lr = {}; set --min-lr {}", s.min_lr, s.lr, s.lr / 10);
  if (s.warmup < 0) fail("optimizer.lr_warmup_iters = {}: expected 0 or more", s.warmup);
  if (s.warmup >= s.decay)
    fail(
        "optimizer.lr_warmup_iters = {} is not below the {} steps of the decay: set optimizer.lr_warmup_iters={} or train "
        "longer",
        s.warmup, s.decay, s.decay / 10);
  if (s.style == "WSD" && (s.wsd_decay < 1 || s.wsd_decay > s.decay - s.warmup))
    fail("optimizer.lr_wsd_decay_iters = {}: expected 1 to {}", s.wsd_decay, s.decay - s.warmup);
}

}  // namespace corral::adamw
