# The program `laminar`, the library under the name that users link, and what `cmake --install` puts where.
if(EXISTS ${CMAKE_SOURCE_DIR}/src/shell/main.cc)
  _laminar_include_dir(LAYER_INCLUDE_DIR main base api shell bench)
  add_executable(laminar ${CMAKE_SOURCE_DIR}/src/shell/main.cc)
  _laminar_layer_settings(laminar)
  target_link_libraries(laminar PRIVATE laminar_shell laminar_bench)
  set_target_properties(laminar PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  install(TARGETS laminar RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# `laminar::laminar`: #include <laminar/laminar.h>, here and after find_package(laminar) alike.
add_library(laminar_public INTERFACE)
target_link_libraries(laminar_public INTERFACE laminar_api)
target_include_directories(laminar_public INTERFACE ${CMAKE_SOURCE_DIR}/include)
add_library(laminar::laminar ALIAS laminar_public)

# Installed, the layers are one archive.
set(archive_script "create ${CMAKE_BINARY_DIR}/liblaminar.a\n")
get_property(layers GLOBAL PROPERTY LAMINAR_LAYERS)
foreach(layer ${layers})
  get_target_property(type laminar_${layer} TYPE)
  if(type STREQUAL STATIC_LIBRARY AND NOT layer MATCHES "^(shell|bench)$")
    string(APPEND archive_script "addlib $<TARGET_FILE:laminar_${layer}>\n")
  endif()
endforeach()
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/liblaminar.mri CONTENT "${archive_script}save\nend\n")
install(CODE "execute_process(COMMAND ${CMAKE_AR} -M INPUT_FILE ${CMAKE_BINARY_DIR}/liblaminar.mri COMMAND_ERROR_IS_FATAL ANY)")
install(FILES ${CMAKE_BINARY_DIR}/liblaminar.a ${DuckDB_LIBRARY} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/laminar DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/laminar)
get_filename_component(duckdb_root ${DuckDB_INCLUDE_DIR} DIRECTORY)
install(FILES ${duckdb_root}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/laminar RENAME LICENSE.duckdb OPTIONAL)

include(CMakePackageConfigHelpers)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/laminar-config.cmake.in ${CMAKE_BINARY_DIR}/laminar-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/laminar
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/laminar-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/laminar-config.cmake ${CMAKE_BINARY_DIR}/laminar-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/laminar)
