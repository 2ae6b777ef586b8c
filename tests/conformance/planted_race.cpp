// OpenMP threads add to `racy` without synchronization: the check for races must see it. `sum` is a reduction and has no race.
#include <cstdio>

int main() {
  int racy = 0, sum = 0;
#pragma omp parallel for num_threads(2) reduction(+ : sum)
  for (int i = 0; i < 100000; ++i) {
    sum += i & 1;
    racy += i & 1;
  }
  std::printf("%d %d\n", racy, sum);
}
