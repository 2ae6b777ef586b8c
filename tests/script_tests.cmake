# corral_add_script_test(NAME COMMAND … [LABELS …] [TIMEOUT seconds]): a test that is a program. It passes with exit code 0, and is skipped with 77 after
# a line `skipped: REASON`. The label `interop` runs with bin/test --interop, `long` with bin/test --long; tests without a label always run.
function(corral_add_script_test name)
  cmake_parse_arguments(S "" "TIMEOUT" "COMMAND;LABELS" ${ARGN})
  if(NOT S_TIMEOUT)
    set(S_TIMEOUT 600)
  endif()
  add_test(NAME ${name} COMMAND ${S_COMMAND})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${S_TIMEOUT} LABELS "${S_LABELS}"
                                          ENVIRONMENT "CORRAL=${CMAKE_BINARY_DIR}/bin/corral;CORRAL_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
  if(long IN_LIST S_LABELS)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE) # they measure time
  endif()
endfunction()

# corral_add_python_test(NAME light|heavy SCRIPT arguments …): a script that compares with other programs, run by tests/run_python. A heavy one gets
# the label `interop`.
function(corral_add_python_test name weight script)
  set(labels)
  set(timeout 600)
  if(weight STREQUAL heavy)
    set(labels LABELS interop)
    set(timeout 3600)
  endif()
  corral_add_script_test(${name} COMMAND ${CMAKE_SOURCE_DIR}/tests/run_python ${weight} ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${ARGN} ${labels} TIMEOUT ${timeout})
endfunction()

# corral_test_queued(TARGET [FILTER]): runs the tests of a program once more, with the queued device (tests/conformance/queued_device) instead of
# device/cpu. FILTER is a filter of GoogleTest.
function(corral_test_queued target)
  if(NOT TARGET ${target} OR NOT TARGET corral-device-queued)
    return()
  endif()
  add_dependencies(${target} corral-device-queued)
  gtest_discover_tests(${target} TEST_FILTER "${ARGN}" TEST_PREFIX queued. TEST_LIST ${target}-queued NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 600 ENVIRONMENT CORRAL_PLUGIN_PATH=${CMAKE_BINARY_DIR}/tests/conformance/queued_device/plugins)
endfunction()
