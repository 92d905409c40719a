# `cpack` in the build folder: melgrad, libmelgrad-dev, melgrad-mpi where MPI was found, python3-melgrad where the module is
# built, which is then for Debian's Python. Configured with -DCMAKE_INSTALL_PREFIX=/usr.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "the melgrad authors")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_COMPONENTS_ALL program development)
set(melgrad_same "melgrad (= ${PROJECT_VERSION})")

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME melgrad)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION sound)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION "The program melgrad: trains, tests and asks networks.
The processor must have AVX2; GPUs need another build.")
# Any OpenBLAS would satisfy what it is linked with; the one that shares melgrad's threads is this.
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS libopenblas0-openmp)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS "gnuplot-nox, fonts-dejavu-core")  # melgrad report
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "melgrad-mpi, python3-melgrad, ffmpeg")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libmelgrad-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Headers and static libraries, for CMake
(find_package(melgrad)) and pkg-config.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libdnnl-dev, ocl-icd-opencl-dev, libopenblas-openmp-dev, libsndfile1-dev, \
libmpg123-dev, libsoxr-dev, libhdf5-dev, libxxhash-dev, libarchive-dev, libfmt-dev, libtomlplusplus-dev, \
nlohmann-json3-dev, libprotobuf-dev, libpng-dev")

if(TARGET melgrad_mpi)
  list(APPEND CPACK_COMPONENTS_ALL mpi)
  set(CPACK_DEBIAN_MPI_PACKAGE_NAME melgrad-mpi)
  set(CPACK_DEBIAN_MPI_PACKAGE_SECTION sound)
  set(CPACK_COMPONENT_MPI_DESCRIPTION "What `mpirun melgrad train` loads to join its ranks: Open MPI.")
  set(CPACK_DEBIAN_MPI_PACKAGE_DEPENDS "${melgrad_same}, openmpi-bin")
endif()

if(MELGRAD_PYTHON)
  list(APPEND CPACK_COMPONENTS_ALL python)
  find_package(Python REQUIRED COMPONENTS Interpreter)
  math(EXPR melgrad_next_python "${Python_VERSION_MINOR} + 1")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-melgrad)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
  set(CPACK_COMPONENT_PYTHON_DESCRIPTION "The Python module: trained networks, features, metrics.")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "libopenblas0-openmp, python3-numpy, \
python3 (>= 3.${Python_VERSION_MINOR}), python3 (<< 3.${melgrad_next_python})")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS melgrad)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA  # byte code comes and goes with it
    ${CMAKE_CURRENT_LIST_DIR}/python3/postinst ${CMAKE_CURRENT_LIST_DIR}/python3/prerm)
endif()

include(CPack)
