# What is installed, and the packages: cpack -G 'DEB;TGZ' in the build folder; for Windows cpack -G ZIP.
if(WIN32)
    # One program, and what belongs beside it: no folder of libraries, no manual page.
    install(TARGETS pobackup RUNTIME DESTINATION .)
    install(FILES README.md CHANGELOG.md LICENSE format-spec/format.md format-spec/recovery.md src/cli/pobackup.ini.sample DESTINATION .)
    # The licence texts of what is linked in, as Debian's packages have them.
    foreach(library libzstd-dev libxxhash-dev libarchive-dev libsodium-dev libisal-dev libjansson-dev libinih-dev libcurl4-openssl-dev
            mingw-w64-x86-64-dev)
        if(EXISTS /usr/share/doc/${library}/copyright)
            install(FILES /usr/share/doc/${library}/copyright DESTINATION licences RENAME ${library}.txt)
        endif()
    endforeach()
    set(CPACK_PACKAGE_NAME pobackup)
    set(CPACK_PACKAGE_VENDOR "pobackup contributors")
    set(CPACK_PACKAGE_FILE_NAME pobackup-${PROJECT_VERSION}-${POBACKUP_WINDOWS_TARGET})
    set(CPACK_PACKAGE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/package)
    set(CPACK_STRIP_FILES ON)
    set(CPACK_GENERATOR ZIP)
    include(CPack)
    return()
endif()
install(TARGETS pobackup RUNTIME)
install(TARGETS libpobackup_static libpobackup_shared LIBRARY ARCHIVE)
install(FILES include/pobackup.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
foreach(document README.md CHANGELOG.md LICENSE format-spec/format.md format-spec/recovery.md src/cli/pobackup.ini.sample)
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${document})
        install(FILES ${document} DESTINATION ${CMAKE_INSTALL_DOCDIR})
    endif()
endforeach()
if(POBACKUP_STATIC_ARCHIVE AND EXISTS /usr/share/doc/libarchive-dev/copyright) # it is linked in
    install(FILES /usr/share/doc/libarchive-dev/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR}/licences RENAME libarchive-dev.txt)
endif()
if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/src/cli/pobackup.1)
    install(FILES src/cli/pobackup.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()

# For a static libpobackup with shared libraries of the system, the usual case: only what we call ourselves. (Requires.private would also
# draw in what those libraries would need if they were static.)
set(POBACKUP_PC_PRIVATE "-larchive -lzstd -lxxhash -lsodium -lisal -ljansson")
file(RELATIVE_PATH POBACKUP_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" POBACKUP_PC_UP ${POBACKUP_PC_UP})
configure_file(cmake/pobackup.pc.in pobackup.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/pobackup.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(CPACK_PACKAGE_NAME pobackup)
set(CPACK_PACKAGE_VENDOR "pobackup contributors")
set(CPACK_PACKAGE_CONTACT "pobackup maintainers")
set(CPACK_PACKAGE_FILE_NAME pobackup-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/package)
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR TGZ)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "pobackup maintainers")
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS libcurl4) # for mail; loaded when it is needed
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "One archive holds the registry key, bin, spool and mailbox. It is a tar in
seekable Zstandard frames: stock tools can extract it. Services are stopped
for the backup and come back whatever happens.")
include(CPack)
