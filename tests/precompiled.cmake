# Headers that nearly every test includes, compiled once. A test's own code is compiled with -O0: the code under test is in libraries.
add_executable(corral-test-headers EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/precompiled.cpp)
target_link_libraries(corral-test-headers PRIVATE GTest::gtest GTest::gtest_main)
target_compile_options(corral-test-headers PRIVATE -O0 -fpch-preprocess)
target_precompile_headers(corral-test-headers PRIVATE <algorithm> <filesystem> <fstream> <functional> <map> <memory> <optional> <random> <set> <sstream> <string>
                                                      <vector> <gtest/gtest.h> <nlohmann/json.hpp>)
function(corral_precompiled_test name)
  target_compile_options(${name} PRIVATE -O0 -fpch-preprocess)
  set_target_properties(${name} PROPERTIES PRECOMPILE_HEADERS_REUSE_FROM corral-test-headers)
endfunction()
