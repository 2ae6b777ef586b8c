// Threads of OpenMP that add to one number without asking: the race that the check for races must see. The sum of another loop is in order.
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
