# For plugin authors and for Corral's own tree.
#
# corral_add_plugin(KIND/NAME ABI 1.0 SOURCES a.cpp ... [PROTO options.proto] [LIBS ...] [VERSION 0.1.0] [LICENSE Apache-2.0]
#                   [CPU x86-64-v3] [DISPATCH x86-64-v4+avx512bf16 b.cpp ...] [PRESETS presets.textproto] [TABLE table.textproto] [TEST a_test.cpp]
#                   [OUTPUT folder] [TARGET name])
#   One shared object with the single export `corral_plugin`, every symbol resolved at link time, no process-wide C++ statics; beside it its manifest.
#   Both are written to ${CMAKE_BINARY_DIR}/plugins/KIND/NAME, a folder for --plugin-path, and are installed; with OUTPUT they are written there and not installed.
#   TARGET: of CMake; corral-KIND-NAME unless given.
#   TEST is a GoogleTest program that gets the plugin's path as CORRAL_PLUGIN_FILE (corral/test_host.h opens it).
#   CPU: compiled for this level and marked so, for the host to refuse it where the level is lacking. DISPATCH: sources compiled for a higher level
#   without the mark; the plugin calls them only where it finds the level itself, by names with corral_dispatch in them. PRESETS: presets.textproto is taken where it is there.
# corral_add_test(NAME SOURCES ... LIBS ...): one GoogleTest program.
set(CORRAL_SDK_CMAKE_DIR ${CMAKE_CURRENT_LIST_DIR})

# Makes <base>.wire.h of a .proto file in this folder's binary dir; the variable `out` gets the header's path.
function(corral_wire_header out proto)
  set(protoc protobuf::protoc)
  if(NOT TARGET protobuf::protoc)
    find_program(CORRAL_PROTOC protoc REQUIRED) # of the Debian package protobuf-compiler
    set(protoc ${CORRAL_PROTOC})
  endif()
  get_filename_component(base ${proto} NAME_WE)
  get_filename_component(path ${proto} ABSOLUTE)
  get_filename_component(folder ${path} DIRECTORY)
  set(header ${CMAKE_CURRENT_BINARY_DIR}/${base}.wire.h)
  add_custom_command(
    OUTPUT ${header} ${CMAKE_CURRENT_BINARY_DIR}/${base}.desc
    COMMAND ${protoc} --plugin=protoc-gen-corral=$<TARGET_FILE:corral::protoc-gen-corral> --corral_out=${CMAKE_CURRENT_BINARY_DIR}
            --descriptor_set_out=${CMAKE_CURRENT_BINARY_DIR}/${base}.desc --include_imports --include_source_info
            -I${folder} ${path}
    DEPENDS corral::protoc-gen-corral ${path})
  set(${out} ${header} PARENT_SCOPE)
endfunction()

# Sources for a level such as x86-64-v4+avx512bf16, as one object. Whatever they define is their own, inline functions too: the linker would
# otherwise keep one copy for the whole plugin, perhaps this level's. Only names with corral_dispatch in them are seen from outside.
function(corral_dispatch_objects target libs level)
  string(REPLACE "+" ";" features ${level})
  list(POP_FRONT features march)
  list(TRANSFORM features PREPEND "-m")
  add_library(${target}-dispatch OBJECT ${ARGN})
  set_target_properties(${target}-dispatch PROPERTIES CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
                                                      POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target}-dispatch PRIVATE -march=${march} ${features})
  target_link_libraries(${target}-dispatch PRIVATE corral::sdk ${libs})
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${target}-dispatch.o)
  find_program(CORRAL_GNU_LINKER ld.bfd REQUIRED) # lld does not allocate groups
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CORRAL_GNU_LINKER} -r --force-group-allocation -o ${object} $<TARGET_OBJECTS:${target}-dispatch>
    COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=*corral_dispatch* ${object}
    DEPENDS ${target}-dispatch $<TARGET_OBJECTS:${target}-dispatch>
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  target_sources(${target} PRIVATE ${object})
endfunction()

# NAME.manifest beside the plugin, made again when the plugin or the content of the manifest changes.
function(corral_add_manifest target kind name)
  set(out ${P_OUTPUT}/${name}.manifest)
  set(held)
  if(P_PROTO)
    get_filename_component(base ${P_PROTO} NAME_WE)
    list(APPEND held --options ${CMAKE_CURRENT_BINARY_DIR}/${base}.desc)
  endif()
  if(NOT P_PRESETS AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/presets.textproto)
    set(P_PRESETS presets.textproto)
  endif()
  if(P_PRESETS)
    list(APPEND held --presets ${CMAKE_CURRENT_SOURCE_DIR}/${P_PRESETS})
  endif()
  if(P_TABLE)
    list(APPEND held --table ${CMAKE_CURRENT_SOURCE_DIR}/${P_TABLE})
  endif()
  set(files ${held})
  list(FILTER files EXCLUDE REGEX "^--")
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${files})
  if(NOT CORRAL_SDK_INSTALLED)
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${CMAKE_BINARY_DIR}/sdk/corral-manifest)
  endif()
  add_custom_command(
    TARGET ${target} POST_BUILD
    COMMAND corral::corral-manifest --plugin $<TARGET_FILE:${target}> --out ${out} --kind ${kind} --name ${name} --version ${P_VERSION} --license ${P_LICENSE}
            --abi ${P_ABI} ${held} BYPRODUCTS ${out}
    VERBATIM)
endfunction()

function(corral_add_plugin path)
  cmake_parse_arguments(P "" "ABI;PROTO;VERSION;LICENSE;CPU;PRESETS;TABLE;OUTPUT;TARGET" "SOURCES;LIBS;DISPATCH;TEST" ${ARGN})
  get_filename_component(kind ${path} DIRECTORY)
  get_filename_component(name ${path} NAME)
  if(NOT P_ABI MATCHES "^([0-9]+)\\.([0-9]+)$")
    message(FATAL_ERROR "corral_add_plugin(${path}): ABI must be given as MAJOR.MINOR, such as ABI 1.0")
  endif()
  set(abi_major ${CMAKE_MATCH_1})
  set(abi_minor ${CMAKE_MATCH_2})
  if(NOT P_VERSION)
    set(P_VERSION ${PROJECT_VERSION})
  endif()
  if(NOT P_LICENSE)
    set(P_LICENSE Apache-2.0)
  endif()
  set(install OFF)
  if(NOT P_OUTPUT)
    set(P_OUTPUT ${CMAKE_BINARY_DIR}/plugins/${kind}/${name})
    set(install ON)
  endif()

  set(target corral-${kind}-${name})
  if(P_TARGET)
    set(target ${P_TARGET})
  endif()
  add_library(${target} MODULE ${P_SOURCES})
  if(P_PROTO)
    corral_wire_header(header ${P_PROTO})
    target_sources(${target} PRIVATE ${header})
    target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
  endif()
  set_target_properties(
    ${target} PROPERTIES PREFIX "" OUTPUT_NAME ${name} LIBRARY_OUTPUT_DIRECTORY ${P_OUTPUT}
                         CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
                         CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
  target_compile_definitions(
    ${target} PRIVATE CORRAL_PLUGIN_KIND="${kind}" CORRAL_PLUGIN_NAME="${name}" CORRAL_PLUGIN_VERSION="${P_VERSION}"
                      CORRAL_PLUGIN_LICENSE="${P_LICENSE}" CORRAL_PLUGIN_ABI_MAJOR=${abi_major} CORRAL_PLUGIN_ABI_MINOR=${abi_minor})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-gnu-unique>)
  endif()
  if(P_CPU)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-march=${P_CPU}>)
    target_link_options(${target} PRIVATE -Wl,-z,${P_CPU}) # the mark that -mneeded makes, for every compiler
  endif()
  if(P_DISPATCH)
    corral_dispatch_objects(${target} "${P_LIBS}" ${P_DISPATCH})
  endif()
  target_link_libraries(${target} PRIVATE corral::sdk ${P_LIBS})
  target_link_options(${target} PRIVATE -Wl,--version-script=${CORRAL_SDK_CMAKE_DIR}/plugin.map -Wl,-z,now -Wl,--exclude-libs,ALL -Wl,--as-needed)
  if(NOT CORRAL_SANITIZE)
    target_link_options(${target} PRIVATE -Wl,-z,defs)
  endif()
  corral_add_manifest(${target} ${kind} ${name})
  if(CORRAL_SDK_INSTALLED AND CORRAL_TESTS AND TARGET corral::corral)
    add_test(NAME ${kind}/${name}-validate COMMAND corral::corral plugin validate $<TARGET_FILE:${target}>)
  endif()
  if(install)
    set_property(GLOBAL APPEND PROPERTY CORRAL_PLUGINS ${kind}/${name})
    install(TARGETS ${target} LIBRARY DESTINATION lib/corral/plugins/${kind}/${name})
    install(FILES ${P_OUTPUT}/${name}.manifest DESTINATION lib/corral/plugins/${kind}/${name})
  endif()
  if(P_TEST AND CORRAL_TESTS AND TARGET GTest::gtest)
    corral_add_test(${target}-test SOURCES ${P_TEST} LIBS corral::sdk ${P_LIBS} ${CMAKE_DL_LIBS})
    target_compile_definitions(${target}-test PRIVATE CORRAL_PLUGIN_FILE="$<TARGET_FILE:${target}>")
    add_dependencies(${target}-test ${target})
    if(P_PROTO)
      target_sources(${target}-test PRIVATE ${header})
      target_include_directories(${target}-test PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
    endif()
  endif()
endfunction()

function(corral_add_test name)
  if(NOT CORRAL_TESTS)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  set_target_properties(${name} PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
  target_link_libraries(${name} PRIVATE ${A_LIBS} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE CORRAL_SOURCE_DIR="${CMAKE_SOURCE_DIR}" CORRAL_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(COMMAND corral_precompiled_test) # in Corral's own tree
    corral_precompiled_test(${name})
  endif()
  gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600)
endfunction()
