# Debian's python3, for cffi and the headers of Python come from Debian too; another one may be named by
# -DKRBREPL_BINDING_PYTHON. A sanitized library has to be loaded before the interpreter: that works for
# AddressSanitizer with gcc (leaks are left out, the interpreter has its own), while ThreadSanitizer reports every
# interpreter, and clang's libraries are not for preloading.
find_program(KRBREPL_BINDING_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(KRBREPL_BINDING_PYTHON NAMES python3 REQUIRED)

set(environment PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=${work}/python/lib KRBREPL_BIN=${prefix}/bin
  KRBREPL_SOURCE=${PROJECT_SOURCE_DIR} LD_LIBRARY_PATH=${prefix}/${CMAKE_INSTALL_LIBDIR})
if(KRBREPL_SANITIZE)
  if(NOT CMAKE_C_COMPILER_ID STREQUAL "GNU" OR NOT KRBREPL_SANITIZE MATCHES "address")
    return()
  endif()
  execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libasan.so OUTPUT_VARIABLE asan
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(run ${CMAKE_CURRENT_SOURCE_DIR}/python/preloaded.sh ${asan} ${KRBREPL_BINDING_PYTHON})
else()
  set(run ${KRBREPL_BINDING_PYTHON})
endif()

krbrepl_bindings_test(python_build NEEDS bindings_prefix MAKES bindings_python
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/python/build.sh ${KRBREPL_BINDING_PYTHON} ${PROJECT_SOURCE_DIR}/bindings/python
    ${work}/python ${prefix}/${CMAKE_INSTALL_LIBDIR}/pkgconfig ${CMAKE_C_COMPILER})
krbrepl_bindings_test(python_store NEEDS bindings_python ENVIRONMENT ${environment}
  COMMAND ${run} ${CMAKE_CURRENT_SOURCE_DIR}/python/store_test.py)
krbrepl_bindings_test(python_node NEEDS bindings_python ENVIRONMENT ${environment}
  COMMAND ${realm} - -- ${run} ${CMAKE_CURRENT_SOURCE_DIR}/python/node_test.py)
krbrepl_bindings_test(python_host NEEDS bindings_python ENVIRONMENT ${environment}
  COMMAND ${realm} - -- ${run} ${CMAKE_CURRENT_SOURCE_DIR}/python/host_test.py)
if(NOT KRBREPL_SANITIZE)
  find_program(KRBREPL_MYPY NAMES mypy PATHS /usr/bin NO_DEFAULT_PATH)
  find_program(KRBREPL_MYPY NAMES mypy)
  # Whoever builds without running these tests, as scripts/demo does, needs it not; without it the test cannot start.
  if(NOT KRBREPL_MYPY)
    set(KRBREPL_MYPY mypy)
  endif()
  krbrepl_bindings_test(python_types NEEDS bindings_python
    COMMAND ${KRBREPL_MYPY} --strict --cache-dir ${work}/mypy ${work}/python/lib/krbrepl)
endif()
