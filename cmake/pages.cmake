# SPDX-License-Identifier: MIT
# Manual pages and completion scripts: printed by the tool once it is built, since its tables are what they tell of.
# A build for a machine whose programs do not run here goes without.
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
    return()
endif()

set(XENT_ZSH_FUNCTIONS ${CMAKE_INSTALL_DATADIR}/zsh/site-functions CACHE STRING
    "folder of completion for zsh; Debian's packages have share/zsh/vendor-completions")

# Prints a page into the build folder and installs it: xent_page(FILE FOLDER WORDS-OF-XENT...)
function(xent_page file folder)
    set(page ${PROJECT_BINARY_DIR}/pages/${file})
    add_custom_command(OUTPUT ${page} COMMAND xent_cli ${ARGN} > ${page} DEPENDS xent_cli VERBATIM)
    set_property(GLOBAL APPEND PROPERTY XENT_PAGES ${page})
    install(FILES ${page} DESTINATION ${folder})
endfunction()

file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/pages)
xent_page(xent.1 ${CMAKE_INSTALL_MANDIR}/man1 manual)
foreach(verb loss check train predict bench info completion manual help)
    xent_page(xent-${verb}.1 ${CMAKE_INSTALL_MANDIR}/man1 manual ${verb})
endforeach()
xent_page(xent ${CMAKE_INSTALL_DATADIR}/bash-completion/completions completion bash)
xent_page(_xent ${XENT_ZSH_FUNCTIONS} completion zsh)
xent_page(xent.fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d completion fish)

get_property(printed GLOBAL PROPERTY XENT_PAGES)
add_custom_target(xent_pages ALL DEPENDS ${printed})
