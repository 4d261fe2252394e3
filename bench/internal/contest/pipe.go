package contest

// Pipe is a program that filters lines from standard input to standard output.
type Pipe struct{ ID string }
