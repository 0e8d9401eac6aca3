# The program `laminar`, and what `cmake --install` puts where.
if(EXISTS ${CMAKE_SOURCE_DIR}/src/shell/main.cc)
  _laminar_include_dir(LAYER_INCLUDE_DIR main base api shell bench)
  set(LAYER_PUBLIC_API ON)
  add_executable(laminar ${CMAKE_SOURCE_DIR}/src/shell/main.cc)
  _laminar_layer_settings(laminar)
  target_link_libraries(laminar PRIVATE laminar_shell laminar_bench)
  set_target_properties(laminar PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  install(TARGETS laminar RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

install(FILES ${DuckDB_LIBRARY} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/laminar DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
