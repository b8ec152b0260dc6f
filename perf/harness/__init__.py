"""Parts of `perf/compare`."""
