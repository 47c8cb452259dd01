# cmake --install: one library, all headers, find_package(ZeroCP CONFIG) and pkg-config zerocp.

include(CMakePackageConfigHelpers)

set(zerocp_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ZeroCP)

install(TARGETS zerocp EXPORT ZeroCPTargets)
install(EXPORT ZeroCPTargets NAMESPACE ZeroCP:: DESTINATION ${zerocp_package_dir})
foreach(room core config discovery pubsub)
    install(DIRECTORY ${room}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
endforeach()

configure_package_config_file(cmake/ZeroCPConfig.cmake.in ZeroCPConfig.cmake
    INSTALL_DESTINATION ${zerocp_package_dir})
write_basic_package_version_file(ZeroCPConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/ZeroCPConfig.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/ZeroCPConfigVersion.cmake
    DESTINATION ${zerocp_package_dir})

# Plain `pkg-config --libs zerocp` has to work, so a static library names what it needs in Libs, not in Libs.private.
if(BUILD_SHARED_LIBS)
    set(zerocp_pc_libs "")
else()
    set(zerocp_pc_libs "-lyaml-cpp -lspdlog -lfmt")
endif()
# Found from where the file lies, so that `cmake --install --prefix` may choose another place than the configuration.
file(RELATIVE_PATH zerocp_pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/zerocp.pc.in zerocp.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/zerocp.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
