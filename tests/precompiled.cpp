// An empty source: tests/precompiled.cmake compiles headers with it.
