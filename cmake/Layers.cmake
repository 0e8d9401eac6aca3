# Layers: one static library per folder of src/, which sees the headers of the folders it declares and no others.
#
#   laminar_layer(<folder> [USES <lower folder>...] [LINK <target>...] [DUCKDB] [HOT])
#
#   USES        the folders whose headers it may include; each must have been declared before, so arrows point down
#   LINK        foreign libraries that this folder owns; their headers stay private to it
#   DUCKDB      the folder may include DuckDB's headers
#   HOT         per-row code: -O3 in release
#
# The library is `laminar_<folder>`. Its sources are all .cc files below the folder but *_test.cc, which become the
# executable and ctest test `<folder>_test`, and *_bench.cc, which become `<folder>_bench` (built on request).
#
# How it is kept: the include path of a folder is build/layers/<folder>, which holds a symbolic link for each folder
# that it declares. `#include "stream/x.h"` finds nothing where stream is not declared.

define_property(GLOBAL PROPERTY LAMINAR_LAYERS BRIEF_DOCS "Folders declared so far, bottom up")

# Makes the include folder of `name` with links to the given folders; its path goes to `out`.
function(_laminar_include_dir out name)
  set(dir ${CMAKE_BINARY_DIR}/layers/${name})
  file(MAKE_DIRECTORY ${dir})
  file(GLOB old LIST_DIRECTORIES true RELATIVE ${dir} ${dir}/*)
  foreach(link ${old})
    if(NOT link IN_LIST ARGN)
      file(REMOVE ${dir}/${link})
    endif()
  endforeach()
  foreach(link ${ARGN})
    if(NOT IS_SYMLINK ${dir}/${link})
      file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${link} ${dir}/${link} SYMBOLIC)
    endif()
  endforeach()
  set(${out} ${dir} PARENT_SCOPE)
endfunction()

# The include path and flags that the library, the tests and the benchmarks of a layer have in common.
function(_laminar_layer_settings target)
  target_link_libraries(${target} PRIVATE laminar_flags)
  target_include_directories(${target} PRIVATE ${LAYER_INCLUDE_DIR})
  # CHECK messages and debug lines name src/..., not the link.
  file(RELATIVE_PATH relative ${CMAKE_BINARY_DIR} ${LAYER_INCLUDE_DIR})
  target_compile_options(${target} PRIVATE
    -ffile-prefix-map=${LAYER_INCLUDE_DIR}/=src/ -ffile-prefix-map=${relative}/=src/)
  # base/status.h is laminar/status.h; the rest of include/ is for those above api, which tests/tidy looks after.
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/include)
  if(LAYER_DUCKDB)
    target_link_libraries(${target} PRIVATE DuckDB::DuckDB)
  endif()
  if(LAYER_HOT)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O3>)
  endif()
endfunction()

function(laminar_layer folder)
  cmake_parse_arguments(PARSE_ARGV 1 LAYER "DUCKDB;HOT" "" "USES;LINK")
  if(LAYER_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "layer ${folder}: unknown words: ${LAYER_UNPARSED_ARGUMENTS}")
  endif()
  get_property(below GLOBAL PROPERTY LAMINAR_LAYERS)
  foreach(used ${LAYER_USES})
    if(NOT used IN_LIST below)
      message(FATAL_ERROR "layer ${folder} cannot use ${used}: it does not stand below it in src/CMakeLists.txt")
    endif()
  endforeach()
  set_property(GLOBAL APPEND PROPERTY LAMINAR_LAYERS ${folder})

  set(root ${CMAKE_SOURCE_DIR}/src/${folder})
  _laminar_include_dir(LAYER_INCLUDE_DIR ${folder} ${folder} ${LAYER_USES})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${root}/*.cc)
  set(tests ${sources})
  set(benches ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_bench)\\.cc$|/shell/main\\.cc$")

  set(library laminar_${folder})
  list(TRANSFORM LAYER_USES PREPEND laminar_ OUTPUT_VARIABLE used_libraries)
  if(sources)
    add_library(${library} STATIC ${sources})
    _laminar_layer_settings(${library})
    target_link_libraries(${library} PUBLIC ${used_libraries} PRIVATE ${LAYER_LINK})
    if(LAYER_DUCKDB AND LAMINAR_PCH)
      _laminar_precompile_duckdb(${library} ${sources})
    endif()
  else()
    add_library(${library} INTERFACE)
    target_link_libraries(${library} INTERFACE ${used_libraries} ${LAYER_LINK})
  endif()

  if(LAMINAR_TESTS AND tests)
    add_executable(${folder}_test ${tests})
    _laminar_layer_settings(${folder}_test)
    target_link_libraries(${folder}_test PRIVATE ${library} GTest::gtest_main)
    add_test(NAME unit.${folder} COMMAND ${folder}_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(unit.${folder} PROPERTIES LABELS unit TIMEOUT ${LAMINAR_TEST_TIMEOUT})
  endif()
  if(benches)
    find_package(benchmark QUIET)
    if(benchmark_FOUND)
      add_executable(${folder}_bench EXCLUDE_FROM_ALL ${benches})
      _laminar_layer_settings(${folder}_bench)
      target_link_libraries(${folder}_bench PRIVATE ${library} benchmark::benchmark_main)
    endif()
  endif()
endfunction()

# Precompiles the heavy DuckDB headers, once for all folders that own DuckDB, and for those sources only that include
# DuckDB: a light file would only pay for loading it. Measured with g++ 12: 24 s to make (0.8 s from ccache), then a file
# with the planner takes 2.6 s instead of 6.3 s.
function(_laminar_precompile_duckdb library)
  set(heavy OFF)
  foreach(source ${ARGN})
    file(STRINGS ${source} includes REGEX "^#include [<\"]duckdb")
    if(includes)
      set(heavy ON)
    else()
      set_source_files_properties(${source} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
    endif()
  endforeach()
  if(NOT heavy)
    return()
  endif()
  if(NOT TARGET laminar_duckdb_pch)
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/duckdb_pch.cc CONTENT "")
    add_library(laminar_duckdb_pch OBJECT ${CMAKE_BINARY_DIR}/duckdb_pch.cc)
    target_link_libraries(laminar_duckdb_pch PRIVATE laminar_flags DuckDB::DuckDB)
    target_precompile_headers(laminar_duckdb_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/duckdb_pch.h)
  endif()
  target_precompile_headers(${library} REUSE_FROM laminar_duckdb_pch)
endfunction()
