# cmake --install: bin/melgrad, include/melgrad, the static libraries, and what CMake (find_package(melgrad), target
# melgrad::melgrad) and pkg-config (melgrad) are asked by those who build on them. apps/examples are such programs. The
# components are packages of their own in apps/package/deb.cmake.
include(CMakePackageConfigHelpers)
set(melgrad_package ${CMAKE_INSTALL_LIBDIR}/cmake/melgrad)

install(TARGETS melgrad_kernels melgrad_engine melgrad_networks melgrad_io melgrad_training melgrad_melgrad
  EXPORT melgrad ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
set_target_properties(melgrad PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)  # CUDA's libraries, wherever they are
install(TARGETS melgrad RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
if(TARGET melgrad_mpi)
  install(TARGETS melgrad_mpi LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/melgrad COMPONENT mpi)
endif()
if(MELGRAD_TESTS)
  install(TARGETS melgrad_bench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program OPTIONAL)  # which `melgrad bench` starts
endif()
# Not what the devices, the files' formats and the tests are made of inside.
install(DIRECTORY kernels engine models io DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/melgrad COMPONENT development
  FILES_MATCHING PATTERN "*.h"
  REGEX "kernels/(cpu|cuda|math|reference)$|models/reports$" EXCLUDE
  REGEX "io/(arrays/(hdf5|cache_file)|audio/(decoder|flac_|mpeg_)|weights/(pickle|zip_archive))" EXCLUDE)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)

install(EXPORT melgrad NAMESPACE melgrad:: FILE melgradTargets.cmake DESTINATION ${melgrad_package} COMPONENT development)
configure_package_config_file(apps/install/melgradConfig.cmake.in ${CMAKE_BINARY_DIR}/melgradConfig.cmake
  INSTALL_DESTINATION ${melgrad_package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/melgradConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/melgradConfig.cmake ${CMAKE_BINARY_DIR}/melgradConfigVersion.cmake
  DESTINATION ${melgrad_package} COMPONENT development)

file(RELATIVE_PATH melgrad_pc_to_headers ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_FULL_INCLUDEDIR}/melgrad)
set(melgrad_pc_libraries "-ldnnl ${OpenMP_CXX_FLAGS}")
if(melgrad_cuda_found)
  string(APPEND melgrad_pc_libraries " -L${CUDAToolkit_LIBRARY_DIR} -lcublasLt -lcufft -lcudart ${cudnn_library}")
endif()
configure_file(apps/install/melgrad.pc.in ${CMAKE_BINARY_DIR}/melgrad.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/melgrad.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

include(apps/package/deb.cmake)
