# Language, warnings and sanitizers for everything that is ours.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

add_library(krbrepl_flags INTERFACE)
target_compile_definitions(krbrepl_flags INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
target_compile_options(krbrepl_flags INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings
  -Wcast-qual -Wvla -fno-common -fstack-protector-strong)
option(KRBREPL_WERROR "Warnings are errors" ${PROJECT_IS_TOP_LEVEL})
if(KRBREPL_WERROR)
  target_compile_options(krbrepl_flags INTERFACE -Werror)
endif()
if(KRBREPL_SANITIZE)
  target_compile_options(krbrepl_flags INTERFACE -fsanitize=${KRBREPL_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(krbrepl_flags INTERFACE -fsanitize=${KRBREPL_SANITIZE})
  # clang links the sanitizers' functions into programs, and leaves them undefined in shared libraries.
  set(krbrepl_no_undefined "")
else()
  set(krbrepl_no_undefined -Wl,--no-undefined)
  target_compile_options(krbrepl_flags INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
  target_link_options(krbrepl_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
# Without this a fuzzer sees which way an input takes through the target alone, and not through the library.
if(KRBREPL_FUZZ)
  target_compile_options(krbrepl_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(krbrepl_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
