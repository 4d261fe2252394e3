// Bench measures the enricher beside other programs that do the same work. See docs/benchmarks.md.
package main

func main() {}
