// Has nothing of its own: tests/precompiled.cmake compiles headers with it.
