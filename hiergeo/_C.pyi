"""Build information of the native kernels; the module exists only where they were built."""

def build_info() -> dict[str, str]:
    """What was compiled: keys compiler, simd, cuda, cuda_version and torch_target."""
