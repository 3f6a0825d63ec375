# SPDX-License-Identifier: MIT
# What `make install` puts where: the header, the libraries, their CMake package and xent.pc, the command, the pages.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/xent)

install(FILES include/xent.h include/xent_diagnose.h include/xent_train.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS ${kinds} EXPORT xent-targets DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
file(GLOB pages CONFIGURE_DEPENDS docs/*.md docs/*.json docs/*.svg)
install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)

# ---- the command; what it generates about itself (manual pages, completion) is installed here too ----
if(XENT_CLI)
    if(NOT xent_own STREQUAL xent_static) # it finds the library beside it, wherever both are moved
        file(RELATIVE_PATH beside ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
        set_target_properties(xent_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${beside}")
    endif()
    install(TARGETS xent_cli DESTINATION ${CMAKE_INSTALL_BINDIR})
    include(cmake/pages.cmake)
endif()

# ---- find_package(xent), from where it is installed or, with xent_DIR, from the folder of this build ----
configure_file(cmake/xent-config.cmake.in xent-config.cmake @ONLY)
write_basic_package_version_file(
    ${PROJECT_BINARY_DIR}/xent-config-version.cmake VERSION ${xent_version} COMPATIBILITY SameMinorVersion)
install(EXPORT xent-targets NAMESPACE xent:: DESTINATION ${package_dir})
export(EXPORT xent-targets NAMESPACE xent:: FILE ${PROJECT_BINARY_DIR}/xent-targets.cmake)
install(FILES ${PROJECT_BINARY_DIR}/xent-config.cmake ${PROJECT_BINARY_DIR}/xent-config-version.cmake
    DESTINATION ${package_dir})

# ---- xent.pc: folders relative to ${prefix}, unless they were given as absolute ones ----
foreach(name INCLUDEDIR LIBDIR)
    set(pc_${name} "\${prefix}/${CMAKE_INSTALL_${name}}")
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${name}}")
        set(pc_${name} "${CMAKE_INSTALL_${name}}")
    endif()
endforeach()
set(pc_LIBS "-lxent\nLibs.private: -lm -lpthread")
if(NOT XENT_SHARED)
    set(pc_LIBS "-lxent -lm -lpthread")
endif()
configure_file(cmake/xent.pc.in xent.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/xent.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
