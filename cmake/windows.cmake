# A toolchain file: builds for Windows, from Server 2003 SP1 on, with the libraries that scripts/setup-windows made.
#   cmake --toolchain cmake/windows.cmake -DPOBACKUP_WINDOWS_TARGET=i686-w64-mingw32 ...
set(POBACKUP_WINDOWS_TARGET x86_64-w64-mingw32 CACHE STRING "x86_64-w64-mingw32 or i686-w64-mingw32")
set(_cache build/cache/windows)
if(NOT "$ENV{POBACKUP_WINDOWS_CACHE}" STREQUAL "")
    set(_cache $ENV{POBACKUP_WINDOWS_CACHE})
endif()
set(POBACKUP_WINDOWS_CACHE ${_cache} CACHE STRING "Where scripts/setup-windows put the libraries")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES POBACKUP_WINDOWS_TARGET POBACKUP_WINDOWS_CACHE)
get_filename_component(_prefix ${POBACKUP_WINDOWS_CACHE}/${POBACKUP_WINDOWS_TARGET} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_LIST_DIR}/..)
if(NOT EXISTS ${_prefix}/lib/pkgconfig)
    message(FATAL_ERROR "No libraries for ${POBACKUP_WINDOWS_TARGET} in ${_prefix}: run scripts/setup-windows")
endif()

set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_VERSION 5.2)
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR ${POBACKUP_WINDOWS_TARGET})
# The compiler with Windows' own threads: its run-time library needs no winpthreads.
set(CMAKE_C_COMPILER ${POBACKUP_WINDOWS_TARGET}-gcc-win32)
set(CMAKE_RC_COMPILER ${POBACKUP_WINDOWS_TARGET}-windres)

# As in scripts/setup-windows, or the libraries do not fit. printf as in C99: the msvcrt of Server 2003 knows no %zu. off_t of 64 bits.
set(CMAKE_C_FLAGS_INIT "-D_WIN32_WINNT=0x0502 -DWINVER=0x0502 -D__USE_MINGW_ANSI_STDIO=1 -D_FILE_OFFSET_BITS=64")
# What nobody calls is left out.
string(APPEND CMAKE_C_FLAGS_INIT " -ffunction-sections -fdata-sections")
# Programs need nothing but Windows' own DLLs, load on Server 2003, and are the same whenever they are built.
set(_link "-static -Wl,--gc-sections -Wl,--no-insert-timestamp -Wl,--major-os-version,5 -Wl,--major-subsystem-version,5")
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "i686")
    # time_t of 64 bits (that is all this name does): libarchive's interface has it. And Windows starts 32-bit threads with a stack that
    # is not aligned for SSE. No tables for unwinding: nothing reads them in 32-bit C, and they are a tenth of the program.
    string(APPEND CMAKE_C_FLAGS_INIT " -D__MINGW_USE_VC2005_COMPAT -mstackrealign -fno-asynchronous-unwind-tables")
    string(APPEND _link " -Wl,--minor-os-version,1 -Wl,--minor-subsystem-version,1")
else()
    string(APPEND _link " -Wl,--minor-os-version,2 -Wl,--minor-subsystem-version,2")
    # 32-bit programs do not run under the Wine that scripts/setup-windows installs.
    get_filename_component(CMAKE_CROSSCOMPILING_EMULATOR ${CMAKE_CURRENT_LIST_DIR}/../scripts/wine-run ABSOLUTE)
endif()
set(CMAKE_EXE_LINKER_FLAGS_INIT ${_link})
set(CMAKE_SHARED_LINKER_FLAGS_INIT ${_link})
set(CMAKE_MODULE_LINKER_FLAGS_INIT ${_link})

# Libraries come from the prefix alone.
set(CMAKE_FIND_ROOT_PATH ${_prefix})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${_prefix}/lib/pkgconfig)
set(ENV{PKG_CONFIG_PATH} "")
unset(ENV{PKG_CONFIG_SYSROOT_DIR})
set(PKG_CONFIG_ARGN --static CACHE STRING "Arguments of pkg-config")

unset(_cache)
unset(_prefix)
unset(_link)
