// Package measure reads from outside what a process costs: processor time, memory, bytes on
// its sockets. The same way for all contestants, whatever they are written in, and without
// their help. It is for Linux. It knows nothing of Kafka.
package measure
