# Compiler flags for all of our own targets (an interface library, so that it is said once).
add_library(pobackup_warnings INTERFACE)
target_compile_options(pobackup_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual
    -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference
    -Wdouble-promotion -fno-common)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(pobackup_warnings INTERFACE -Wlogical-op -Wduplicated-cond -Wjump-misses-init)
endif()
if(POBACKUP_WERROR)
    target_compile_options(pobackup_warnings INTERFACE -Werror)
endif()
if(POBACKUP_SANITIZE)
    target_compile_options(pobackup_warnings INTERFACE -fsanitize=${POBACKUP_SANITIZE} -fno-omit-frame-pointer
                           -fno-sanitize-recover=all)
    target_link_options(pobackup_warnings INTERFACE -fsanitize=${POBACKUP_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(pobackup_warnings INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
    if(WIN32)
        # The guard of the stack is a library of the compiler's there.
        target_link_options(pobackup_warnings INTERFACE -fstack-protector-strong)
    else()
        target_link_options(pobackup_warnings INTERFACE -Wl,-z,relro,-z,now)
    endif()
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
if(WIN32) # one file that is carried around; what must be fast is in the libraries
    set(CMAKE_C_FLAGS_RELEASE "-Os -g1")
endif()
include(CheckPIESupported)
check_pie_supported()
