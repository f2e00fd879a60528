# A sanitized library needs a program that is compiled by the same compiler with the same sanitizers.
if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
  find_program(KRBREPL_BINDING_CXX NAMES clang++ REQUIRED)
else()
  find_program(KRBREPL_BINDING_CXX NAMES g++ c++ REQUIRED)
endif()
set(flags -Wall -Wextra -Wpedantic -Wshadow -Wold-style-cast -Werror)
if(KRBREPL_SANITIZE)
  list(APPEND flags -fsanitize=${KRBREPL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
endif()
list(JOIN flags " " flags)

krbrepl_bindings_test(cpp_build NEEDS bindings_prefix MAKES bindings_cpp
  COMMAND ${CMAKE_CTEST_COMMAND} --build-and-test ${CMAKE_CURRENT_SOURCE_DIR}/cpp ${work}/cpp
    --build-generator ${CMAKE_GENERATOR} --build-noclean
    --build-options -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${KRBREPL_BINDING_CXX}
      -DCMAKE_CXX_FLAGS=${flags} -DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE})
krbrepl_bindings_test(cpp_store NEEDS bindings_cpp COMMAND ${work}/cpp/store_test)
krbrepl_bindings_test(cpp_node NEEDS bindings_cpp COMMAND ${realm} - -- ${work}/cpp/node_test)
krbrepl_bindings_test(cpp_host NEEDS bindings_cpp COMMAND ${realm} - -- ${work}/cpp/host_test)
