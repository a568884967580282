"""Tools of the project: the demo, the generator, benchmarks."""
