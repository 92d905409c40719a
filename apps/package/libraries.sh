# Sourced by scripts that pack programs: which shared libraries go with them, and under which licences.

# What every Linux machine has, and must be its own.
system_libraries='/(ld-linux.*|libc|libm|libdl|librt|libpthread|libresolv|libstdc\+\+|libgcc_s)\.so'
# What comes with CUDA.
cuda_libraries='/lib(cud|cublas|cufft|nv|cusparse|cusolver)[^/]*\.so'

# libraries_of FILE...: a path a line, those of apps/package/lean_libraries.sh before Debian's.
libraries_of() {
  local file
  for file in "$@"; do LD_LIBRARY_PATH=$PWD/build/lean/lib ldd "$file"; done |
    awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u | { grep -vE "$system_libraries|$cuda_libraries" || true; }
}

# licences_of FOLDER FILE...: Debian's copyright file of every package that those libraries are of, and ours.
licences_of() {
  local folder=$1 library package
  shift
  mkdir -p "$folder"
  cp LICENSE "$folder/melgrad"
  libraries_of "$@" | while read -r library; do
    package=$(dpkg -S "*/$(basename "$library")" | sed -n '1s/:.*//p')
    cp "/usr/share/doc/$package/copyright" "$folder/$package"
  done
}
