# The flags of every target, as the interface library `laminar_flags`.
add_library(laminar_flags INTERFACE)

# Hidden visibility keeps our copies of inline code in DuckDB's headers from replacing those in libduckdb.so at load time.
target_compile_options(laminar_flags INTERFACE
  -Wall -Wextra -Wno-unused-parameter
  -fvisibility=hidden -fvisibility-inlines-hidden
  -fno-omit-frame-pointer)
# CHECK messages and debug lines name src/..., whoever's folder this is; ccache hands the compiler relative paths.
file(RELATIVE_PATH LAMINAR_SOURCE_FROM_BINARY ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
target_compile_options(laminar_flags INTERFACE
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
  -ffile-prefix-map=${LAMINAR_SOURCE_FROM_BINARY}=)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
  target_compile_options(laminar_flags INTERFACE -march=x86-64-v3)
endif()
if(LAMINAR_WERROR)
  target_compile_options(laminar_flags INTERFACE -Werror)
endif()
if(LAMINAR_SANITIZE)
  target_compile_options(laminar_flags INTERFACE -fsanitize=${LAMINAR_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(laminar_flags INTERFACE -fsanitize=${LAMINAR_SANITIZE})
  if(LAMINAR_SANITIZE MATCHES "undefined")
    # Needs the type information of DuckDB's classes, which its library does not export.
    target_compile_options(laminar_flags INTERFACE -fno-sanitize=vptr)
  endif()
  target_compile_definitions(laminar_flags INTERFACE LAMINAR_SANITIZE="${LAMINAR_SANITIZE}")
endif()
